use preempt::preemptible;

#[preemptible(crate)]
fn no_value() {}

#[preemptible(crate = 3)]
fn no_path() {}

#[preemptible(crate = "not a path")]
fn no_path_in_string() {}

#[preemptible(crate = preempt, crate = preempt)]
fn twice() {}

#[preemptible(preempt)]
fn no_name() {}

#[preemptible(= 3)]
fn no_syntax() {}

fn main() {
    no_value();
    no_path();
    no_path_in_string();
    twice();
    no_name();
    no_syntax();
}
