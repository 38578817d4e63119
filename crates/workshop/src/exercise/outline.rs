//! What stands where in a Rust file, as far as markers in comments need to know.

use std::ops::Range;
use std::str::FromStr;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// The blocks, functions and long literals of a file, by lines counted from 1.
#[derive(Default)]
pub struct Outline {
    /// Everything in brackets, an outer group before those inside it: its lines, and its name when it is
    /// the body of a function.
    groups: Vec<(Range<usize>, Option<String>)>,
    /// Literals over several lines: the lines whose beginning is part of one.
    literals: Vec<Range<usize>>,
}

impl Outline {
    /// `Err` holds the line at which `text` stops being Rust.
    pub fn parse(text: &str) -> Result<Self, usize> {
        let tokens = TokenStream::from_str(text).map_err(|error| error.span().start().line)?;
        let mut outline = Self::default();
        outline.walk(tokens);
        Ok(outline)
    }

    fn walk(&mut self, tokens: TokenStream) {
        let mut tokens = tokens.into_iter().peekable();
        let mut function = None;
        while let Some(token) = tokens.next() {
            match token {
                TokenTree::Ident(word) if word == "fn" => {
                    function = tokens.next_if(|next| matches!(next, TokenTree::Ident(_))).map(|name| name.to_string());
                }
                TokenTree::Punct(mark) if mark.as_char() == ';' => function = None,
                TokenTree::Group(group) => {
                    let is_block = group.delimiter() == Delimiter::Brace;
                    let name = if is_block { function.take() } else { None };
                    let lines = group.span_open().start().line + 1..group.span_close().start().line;
                    self.groups.push((lines, name));
                    self.walk(group.stream());
                }
                TokenTree::Literal(literal) => {
                    let span = literal.span();
                    self.literals.push(span.start().line + 1..span.end().line + 1);
                }
                TokenTree::Ident(_) | TokenTree::Punct(_) => {}
            }
        }
    }

    /// Whether `line` begins inside a string.
    pub fn in_literal(&self, line: usize) -> bool {
        self.literals.iter().any(|lines| lines.contains(&line))
    }

    /// The innermost group around `line`, as a number to compare.
    pub fn innermost(&self, line: usize) -> Option<usize> {
        self.groups.iter().rposition(|(lines, _)| lines.contains(&line))
    }

    /// The name of the function that `line` stands directly in the body of.
    pub fn function_at(&self, line: usize) -> Option<String> {
        self.groups[self.innermost(line)?].1.clone()
    }
}
