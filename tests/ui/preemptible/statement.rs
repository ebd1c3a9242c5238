use preempt::preemptible;

fn main() {
    #[preemptible]
    struct Local;

    let _ = Local;
}
