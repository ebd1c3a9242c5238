//! A recursive descent parser for JSON that builds a tree: branches, small loops over bytes,
//! recursion, allocation.

use crate::random::Random;

type Input = String;

fn input(random: &mut Random) -> Input {
    let mut text = String::new();
    write_value(random, 6, &mut text);
    text
}

fn write_value(random: &mut Random, depth: usize, text: &mut String) {
    let kind = if depth == 6 {
        0
    } else if depth == 0 {
        2 + random.below(4)
    } else {
        random.below(6)
    };
    match kind {
        0 => {
            text.push('[');
            for i in 0..3 + random.below(4) {
                if i > 0 {
                    text.push_str(", ");
                }
                write_value(random, depth - 1, text);
            }
            text.push(']');
        }
        1 => {
            text.push_str("{ ");
            for i in 0..3 + random.below(4) {
                if i > 0 {
                    text.push_str(",\n  ");
                }
                text.push_str(&format!("\"{}\": ", random.word()));
                write_value(random, depth - 1, text);
            }
            text.push('}');
        }
        2 => text.push_str(&random.below(100_000).to_string()),
        3 => text.push_str(&format!("-{:.3}", random.fraction() * 100.0)),
        4 => text.push_str(["true", "false", "null"][random.below(3)]),
        _ => {
            text.push_str(&format!("\"{} \\n{} {}\"", random.word(), random.word(), random.word()))
        }
    }
}

copies! {
    enum Value {
        Null,
        Bool(bool),
        Number(f64),
        String(String),
        Array(Vec<Value>),
        Object(Vec<(String, Value)>),
    }

    struct Parser<'a> {
        text: &'a [u8],
        at: usize,
    }

    #[inline(never)]
    pub(super) fn run(text: &mut Input) -> u64 {
        let mut sum = 0;
        for _ in 0..16 {
            let mut parser = Parser { text: text.as_bytes(), at: 0 };
            sum += parser.value().as_ref().map_or(0, weigh);
        }
        sum
    }

    impl<'a> Parser<'a> {
        fn value(&mut self) -> Option<Value> {
            self.skip_space();
            match self.peek()? {
                b'n' => self.literal("null", Value::Null),
                b't' => self.literal("true", Value::Bool(true)),
                b'f' => self.literal("false", Value::Bool(false)),
                b'"' => self.string().map(Value::String),
                b'[' => self.array(),
                b'{' => self.object(),
                _ => self.number(),
            }
        }

        fn array(&mut self) -> Option<Value> {
            self.at += 1;
            let mut values = Vec::new();
            self.skip_space();
            if self.eat(b']') {
                return Some(Value::Array(values));
            }
            loop {
                values.push(self.value()?);
                self.skip_space();
                if self.eat(b']') {
                    return Some(Value::Array(values));
                }
                if !self.eat(b',') {
                    return None;
                }
            }
        }

        fn object(&mut self) -> Option<Value> {
            self.at += 1;
            let mut entries = Vec::new();
            self.skip_space();
            while !self.eat(b'}') {
                self.skip_space();
                let key = self.string()?;
                self.skip_space();
                if !self.eat(b':') {
                    return None;
                }
                entries.push((key, self.value()?));
                self.skip_space();
                self.eat(b',');
            }
            Some(Value::Object(entries))
        }

        fn string(&mut self) -> Option<String> {
            if !self.eat(b'"') {
                return None;
            }
            let mut string = Vec::new();
            loop {
                let byte = self.peek()?;
                self.at += 1;
                match byte {
                    b'"' => return String::from_utf8(string).ok(),
                    b'\\' => {
                        string.push(match self.peek()? {
                            b'n' => b'\n',
                            b't' => b'\t',
                            other => other,
                        });
                        self.at += 1;
                    }
                    other => string.push(other),
                }
            }
        }

        fn number(&mut self) -> Option<Value> {
            let negative = self.eat(b'-');
            let mut number = 0.0;
            while let Some(digit) = self.digit() {
                number = number * 10.0 + digit;
            }
            if self.eat(b'.') {
                let mut scale = 0.1;
                while let Some(digit) = self.digit() {
                    number += digit * scale;
                    scale *= 0.1;
                }
            }
            Some(Value::Number(if negative { -number } else { number }))
        }

        fn digit(&mut self) -> Option<f64> {
            let digit = self.peek()?.checked_sub(b'0')?;
            if digit > 9 {
                return None;
            }
            self.at += 1;
            Some(f64::from(digit))
        }

        fn literal(&mut self, literal: &str, value: Value) -> Option<Value> {
            for byte in literal.bytes() {
                if !self.eat(byte) {
                    return None;
                }
            }
            Some(value)
        }

        fn skip_space(&mut self) {
            while let Some(b' ' | b'\n' | b'\t' | b'\r') = self.peek() {
                self.at += 1;
            }
        }

        fn eat(&mut self, byte: u8) -> bool {
            let found = self.peek() == Some(byte);
            if found {
                self.at += 1;
            }
            found
        }

        fn peek(&self) -> Option<u8> {
            self.text.get(self.at).copied()
        }
    }

    fn weigh(value: &Value) -> u64 {
        let mut weight = 1;
        match value {
            Value::Null => {}
            Value::Bool(value) => weight += u64::from(*value),
            Value::Number(number) => weight += number.abs() as u64,
            Value::String(string) => weight += string.len() as u64,
            Value::Array(values) => {
                for value in values {
                    weight += weigh(value);
                }
            }
            Value::Object(entries) => {
                for (key, value) in entries {
                    weight += key.len() as u64 + weigh(value);
                }
            }
        }
        weight
    }
}
