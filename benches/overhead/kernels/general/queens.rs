//! Ten queens on a board of their size by backtracking: recursion from within a loop. On smaller boards
//! the processor remembers from call to call which branches are taken, or not, and is twice as fast.

use crate::random::Random;

type Input = Vec<usize>;

fn input(_: &mut Random) -> Input {
    vec![0; 10]
}

copies! {
    #[inline(never)]
    pub(super) fn run(board: &mut Input) -> u64 {
        place(board, 0)
    }

    fn place(board: &mut [usize], row: usize) -> u64 {
        if row == board.len() {
            return 1;
        }
        let mut solutions = 0;
        for column in 0..board.len() {
            if is_free(&board[..row], column) {
                board[row] = column;
                solutions += place(board, row + 1);
            }
        }
        solutions
    }

    fn is_free(queens: &[usize], column: usize) -> bool {
        for (distance, &queen) in queens.iter().rev().enumerate() {
            if queen == column || queen.abs_diff(column) == distance + 1 {
                return false;
            }
        }
        true
    }
}
