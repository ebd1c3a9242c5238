#[preemptible]
fn fib(n: u64) -> u64 {
    if n < 2 { n } else { fib(n - 1) + fib(n - 2) }
}

#[preemptible]
fn visit(node: &Node) -> u64 {
    match node {
        Node::Leaf(value) => *value,
        Node::Inner(left, right) => visit(left) + visit(right),
    }
}

#[preemptible]
impl Point {
    const ORIGIN: Point = Point { x: 0, y: 0 };

    const fn x(&self) -> i32 {
        self.x
    }

    fn leaf(&self) -> i32 {
        self.x.abs() + self.y.abs()
    }

    #[preemptible(skip)]
    fn skipped(&self) {
        self.draw()
    }

    fn draw(&self) {
        canvas().draw(self);
    }
}
