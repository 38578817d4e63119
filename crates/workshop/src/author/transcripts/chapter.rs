//! The `console` blocks of a chapter: where they are, what they run, what they promise.

use std::ops::Range;

use anyhow::{Result, bail, ensure};
use pulldown_cmark::{CodeBlockKind, Event, Parser, Tag, TagEnd};

/// What a block takes, in its info string: `console,root`, `console,v2`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// `root`: the machine's own.
    Root,
    /// `user`: an ordinary user with subordinate ids, in a Shield of its own.
    User,
    /// `cgroup`: a control group with memory, whichever version.
    Cgroup,
    /// `v1`: a control group, and memory is on v1.
    V1,
    /// `v2`: a control group, and memory is on v2.
    V2,
}

impl Need {
    fn from_word(word: &str) -> Option<Self> {
        match word {
            "root" => Some(Need::Root),
            "user" => Some(Need::User),
            "cgroup" => Some(Need::Cgroup),
            "v1" => Some(Need::V1),
            "v2" => Some(Need::V2),
            _ => None,
        }
    }
}

/// One fenced block, run in one shell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// Elsewhere it is skipped.
    pub needs: Vec<Need>,
    /// Never empty.
    pub commands: Vec<Command>,
    /// The text between the fences, in bytes of the chapter.
    pub text: Range<usize>,
}

/// One command with what it prints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// In the chapter, from 1.
    pub line: usize,
    /// As given to the shell; several lines when it is continued. Ends without a newline.
    pub script: String,
    /// What the chapter says it prints, with wildcards. Empty, or ends with a newline.
    pub expected: String,
}

/// Finds the `console` blocks of `chapter`, in order.
///
/// # Errors
/// A block that is indented or does not begin with a command, or a word after `console` that means nothing.
pub fn blocks(chapter: &str) -> Result<Vec<Block>> {
    let mut blocks = Vec::new();
    let mut open: Option<(Vec<Need>, Option<Range<usize>>, usize)> = None;
    for (event, range) in Parser::new(chapter).into_offset_iter() {
        match event {
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(info))) => {
                let line = line_of(chapter, range.start);
                open = needs(&info, line)?.map(|needs| (needs, None, line));
            }
            Event::Text(_) => {
                if let Some((_, text, _)) = &mut open {
                    let start = text.as_ref().map_or(range.start, |text| text.start);
                    *text = Some(start..range.end);
                }
            }
            Event::End(TagEnd::CodeBlock) => {
                if let Some((needs, text, line)) = open.take() {
                    let Some(text) = text else { bail!("line {line}: a console block without a command") };
                    let commands = commands(&chapter[text.clone()], line_of(chapter, text.start))?;
                    ensure!(chapter[..text.start].ends_with('\n'), "line {line}: a console block may not be indented");
                    blocks.push(Block { needs, commands, text });
                }
            }
            _ => {}
        }
    }
    Ok(blocks)
}

/// What a block with this info string needs; `None` when it is not a transcript.
fn needs(info: &str, line: usize) -> Result<Option<Vec<Need>>> {
    let mut words = info.split(',');
    if words.next() != Some("console") {
        return Ok(None);
    }
    let need = |word| match Need::from_word(word) {
        Some(need) => Ok(need),
        None => bail!("line {line}: `console,{word}`: after `console` come `root`, `user`, `cgroup`, `v1`, `v2`"),
    };
    words.map(need).collect::<Result<_>>().map(Some)
}

fn commands(text: &str, first_line: usize) -> Result<Vec<Command>> {
    let mut commands: Vec<Command> = Vec::new();
    let mut continues = false;
    for (line, text) in (first_line..).zip(text.lines()) {
        if let Some(script) = text.strip_prefix("$ ") {
            commands.push(Command { line, script: script.to_owned(), expected: String::new() });
            continues = true;
            continue;
        }
        let Some(command) = commands.last_mut() else {
            bail!("line {line}: a console block begins with a command: `$ …`");
        };
        match text.strip_prefix("> ").or_else(|| text.strip_prefix('>').filter(|rest| rest.is_empty())) {
            Some(more) if continues => {
                command.script.push('\n');
                command.script.push_str(more);
            }
            _ => {
                continues = false;
                command.expected.push_str(text);
                command.expected.push('\n');
            }
        }
    }
    Ok(commands)
}

/// A block's text with other outputs, one a command.
#[must_use]
pub fn rewritten(commands: &[Command], outputs: &[String]) -> String {
    let mut text = String::new();
    for (command, output) in commands.iter().zip(outputs) {
        text.push_str("$ ");
        text.push_str(&command.script.replace('\n', "\n> "));
        text.push('\n');
        text.push_str(output);
    }
    text
}

fn line_of(text: &str, byte: usize) -> usize {
    1 + text[..byte].matches('\n').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHAPTER: &str = "\
# Lab

```console
$ hostname box
$ hostname
box
```

```rust
let dollar = \"$ ls\";
```

<details><summary>Answer</summary>

```console,root
$ for i in 1 2
> do echo $i
> done
1
> 2
...
```

</details>
";

    #[test]
    fn commands_and_outputs_are_told_apart() {
        let blocks = blocks(CHAPTER).unwrap();
        assert_eq!(blocks.len(), 2);
        let [set, get] = blocks[0].commands.as_slice() else { panic!("{blocks:?}") };
        assert_eq!((set.line, set.script.as_str(), set.expected.as_str()), (4, "hostname box", ""));
        assert_eq!((get.line, get.script.as_str(), get.expected.as_str()), (5, "hostname", "box\n"));
        assert_eq!(blocks[0].needs, []);
    }

    #[test]
    fn needs_are_words_of_the_info_string() {
        let words = ["root,v1", "cgroup", "v2", "user"].map(|words| format!("```console,{words}\n$ a\n```\n\n"));
        let needs: Vec<_> = blocks(&words.concat()).unwrap().into_iter().map(|block| block.needs).collect();
        assert_eq!(needs, [vec![Need::Root, Need::V1], vec![Need::Cgroup], vec![Need::V2], vec![Need::User]]);
    }

    #[test]
    fn a_command_goes_on_until_its_output_begins() {
        let block = &blocks(CHAPTER).unwrap()[1];
        assert_eq!(block.needs, [Need::Root]);
        assert_eq!(block.commands[0].script, "for i in 1 2\ndo echo $i\ndone");
        assert_eq!(block.commands[0].expected, "1\n> 2\n...\n");
    }

    #[test]
    fn a_block_is_written_back_as_it_was() {
        for block in blocks(CHAPTER).unwrap() {
            let outputs: Vec<_> = block.commands.iter().map(|command| command.expected.clone()).collect();
            assert_eq!(rewritten(&block.commands, &outputs), CHAPTER[block.text.clone()]);
        }
    }

    #[test]
    fn what_is_no_transcript_is_told_with_its_line() {
        for (chapter, words) in [
            ("\n```console\nls\n```\n", "line 3: a console block begins with"),
            ("```console\n```\n", "line 1: a console block without"),
            ("```console,toor\n$ ls\n```\n", "`console,toor`: after `console` come"),
            ("```console,root,\n$ ls\n```\n", "`console,`: after"),
            ("- x\n\n  ```console\n  $ ls\n  ```\n", "may not be indented"),
        ] {
            let error = blocks(chapter).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}
