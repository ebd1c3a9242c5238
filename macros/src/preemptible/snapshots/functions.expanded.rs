fn fib(n: u64) -> u64 {
    if n < 2 {
        n
    } else {
        ::preempt::__private::checkpoint();
        fib(n - 1) + fib(n - 2)
    }
}
fn visit(node: &Node) -> u64 {
    match node {
        Node::Leaf(value) => *value,
        Node::Inner(left, right) => {
            ::preempt::__private::checkpoint();
            visit(left) + visit(right)
        }
    }
}
impl Point {
    const ORIGIN: Point = Point { x: 0, y: 0 };
    const fn x(&self) -> i32 {
        self.x
    }
    fn leaf(&self) -> i32 {
        self.x.abs() + self.y.abs()
    }
    fn skipped(&self) {
        self.draw()
    }
    fn draw(&self) {
        ::preempt::__private::checkpoint();
        canvas().draw(self);
    }
}
