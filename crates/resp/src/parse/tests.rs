use proptest::prelude::*;
use redis_protocol::resp2::decode::decode_bytes;
use redis_protocol::resp2::types::{BytesFrame, Resp2Frame};

use super::*;

type Command = Vec<Vec<u8>>;

/// The commands in `input` when it comes in pieces cut at `cuts`, and what ended the parsing.
fn parsed(input: &[u8], cuts: &[usize], limits: &Limits, who: Who) -> (Vec<Command>, Option<ProtocolError>) {
    let (mut parser, mut commands, mut start, mut wanted) = (Parser::default(), Vec::new(), 0, 1);
    let mut ends: Vec<usize> = cuts.iter().map(|cut| cut % (input.len() + 1)).chain([input.len()]).collect();
    ends.sort_unstable();
    for end in ends {
        while start < end && end - start >= wanted {
            let frame = Bytes::copy_from_slice(&input[start..end]);
            match parser.step(&frame, limits, who) {
                Err(error) => return (commands, Some(error)),
                Ok(Step::Incomplete { wanted: more }) => {
                    assert!(more > end - start, "it asks for what it has");
                    wanted = more;
                }
                Ok(Step::Nothing { bytes }) => (start, wanted) = (start + bytes, 1),
                Ok(Step::Command { bytes }) => {
                    let spans = parser.take_spans();
                    let args = Args::new(&frame, 0, &spans);
                    commands.push((0..args.len()).map(|at| args.at(at).to_vec()).collect());
                    (start, wanted) = (start + bytes, 1);
                }
                Ok(Step::Inline { command, bytes }) => {
                    let args = Args::new(&command.frame, 0, &command.spans);
                    commands.push((0..args.len()).map(|at| args.bytes(at).to_vec()).collect());
                    (start, wanted) = (start + bytes, 1);
                }
            }
        }
    }
    (commands, None)
}

fn whole(input: &[u8]) -> (Vec<Command>, Option<ProtocolError>) {
    parsed(input, &[], &Limits::default(), Who::Known)
}

fn encoded(commands: &[Command]) -> Vec<u8> {
    let mut out = Vec::new();
    for command in commands {
        out.extend(format!("*{}\r\n", command.len()).bytes());
        for argument in command {
            out.extend(format!("${}\r\n", argument.len()).bytes());
            out.extend_from_slice(argument);
            out.extend(b"\r\n");
        }
    }
    out
}

fn commands() -> impl Strategy<Value = Vec<Command>> {
    let argument = prop::collection::vec(any::<u8>(), 0..20);
    prop::collection::vec(prop::collection::vec(argument, 1..5), 0..6)
}

/// Bytes that look like the protocol more often than chance would have it.
fn nearly() -> impl Strategy<Value = Vec<u8>> {
    let token = prop_oneof![
        Just(b"*".to_vec()),
        Just(b"$".to_vec()),
        Just(b"\r\n".to_vec()),
        Just(b"\n".to_vec()),
        Just(b"\"".to_vec()),
        (-3i64..12).prop_map(|n| n.to_string().into_bytes()),
        prop::collection::vec(any::<u8>(), 0..4),
    ];
    prop::collection::vec(token, 0..40).prop_map(|tokens| tokens.concat())
}

/// The commands that an independent parser finds.
fn by_the_oracle(input: &[u8]) -> Vec<Command> {
    let (mut rest, mut found) = (Bytes::copy_from_slice(input), Vec::new());
    while let Ok(Some((BytesFrame::Array(frames), used))) = decode_bytes(&rest) {
        let argument = |frame: BytesFrame| frame.as_bytes().unwrap().to_vec();
        found.push(frames.into_iter().map(argument).collect());
        rest = rest.slice(used..);
    }
    found
}

proptest! {
    #[test]
    fn however_the_bytes_are_cut_the_commands_are_the_same(
        input in nearly(),
        cuts in prop::collection::vec(any::<usize>(), 0..8),
        stranger: bool,
    ) {
        let who = if stranger { Who::Stranger } else { Who::Known };
        let limits = Limits { arguments_max: 6, argument_bytes_max: 9, inline_bytes_max: 30, ..Limits::default() };
        prop_assert_eq!(parsed(&input, &cuts, &limits, who), parsed(&input, &[], &limits, who));
        let each: Vec<usize> = (0..input.len()).collect();
        prop_assert_eq!(parsed(&input, &each, &limits, who), parsed(&input, &[], &limits, who));
    }

    #[test]
    fn what_was_encoded_is_parsed_and_another_parser_agrees(sent in commands()) {
        let bytes = encoded(&sent);
        prop_assert_eq!(by_the_oracle(&bytes), sent.clone());
        prop_assert_eq!(whole(&bytes), (sent, None));
    }

    #[test]
    fn a_number_is_read_as_the_standard_library_reads_it_but_for_signs_and_zeros(value: i64) {
        prop_assert_eq!(integer(value.to_string().as_bytes()), Some(value));
    }
}

#[test]
fn numbers_that_redis_does_not_take_are_none() {
    for text in ["", "-", "+1", "01", "-0", " 1", "1 ", "9223372036854775808", "1x", "99999999999999999999"] {
        assert_eq!(integer(text.as_bytes()), None, "{text}");
    }
    assert_eq!(integer(b"-9223372036854775808"), Some(i64::MIN));
}

#[test]
fn lines_are_split_as_a_shell_would() {
    let one = |line: &str| whole(line.as_bytes()).0.into_iter().next().unwrap();
    assert_eq!(one("  SET  k\tv \r\n"), [b"SET", &b"k"[..], b"v"]);
    assert_eq!(one("SET \"a b\" 'it\\'s'\n"), [&b"SET"[..], b"a b", b"it's"]);
    assert_eq!(one("SET \"\\xff\\n\\\"\\q\" x\n"), [&b"SET"[..], b"\xff\n\"q", b"x"]);
    assert_eq!(whole(b"\r\n\n*0\r\n*-1\r\nPING\r\n").0, [[b"PING"]]);
    for bad in ["GET \"a\n", "GET 'a\n", "GET \"a\"b\n"] {
        assert_eq!(whole(bad.as_bytes()), (vec![], Some(ProtocolError::Quotes)), "{bad}");
    }
}

#[test]
fn a_length_beyond_its_limit_is_refused_before_anything_of_it_has_come() {
    let limits = Limits::default();
    let refused = |input: &str, limits: &Limits, who| parsed(input.as_bytes(), &[], limits, who).1;
    let max = limits.arguments_max;
    assert_eq!(refused("*16385\r\n", &limits, Who::Known), Some(ProtocolError::ArgumentCount { max }));
    let bytes = ProtocolError::ArgumentBytes { max: limits.argument_bytes_max };
    assert_eq!(refused("*1\r\n$2000000\r\n", &limits, Who::Known), Some(bytes));
    let line = format!("MGET{}\r\n", " a".repeat(16_384));
    assert_eq!(refused(&line, &limits, Who::Known), Some(ProtocolError::ArgumentCount { max }));
    let strange = limits.of_a_stranger();
    assert_eq!(
        refused("*11\r\n", &strange, Who::Stranger),
        Some(ProtocolError::StrangerArgumentCount { max: 10 })
    );
    let eleven = "AUTH 1 2 3 4 5 6 7 8 9 10\r\n";
    assert_eq!(
        refused(eleven, &strange, Who::Stranger),
        Some(ProtocolError::StrangerArgumentCount { max: 10 })
    );
    assert_eq!(
        refused(&"x".repeat(16_384), &strange, Who::Stranger),
        Some(ProtocolError::LineTooLong { max: 16_384 })
    );
    let bytes = ProtocolError::StrangerArgumentBytes { max: 16_384 };
    assert_eq!(refused("*1\r\n$16385\r\n", &strange, Who::Stranger), Some(bytes));
    let small = Limits { command_bytes_max: 100, ..limits };
    let error = Some(ProtocolError::CommandBytes { max: 100 });
    assert_eq!(refused("*2\r\n$3\r\nGET\r\n$99\r\n", &small, Who::Known), error);
    assert_eq!(
        refused(&"x".repeat(65_536), &limits, Who::Known),
        Some(ProtocolError::LineTooLong { max: 65_536 })
    );
}

#[test]
fn what_is_no_command_is_refused_by_what_is_wrong_with_it() {
    let refused = |input: &[u8]| whole(input).1.unwrap().to_string();
    assert_eq!(refused(b"*1\r\n:1\r\n"), "expected '$', got ':'");
    assert_eq!(refused(b"*1\r\n$1\r\nab\r\n"), "an argument is longer than its length says");
    assert_eq!(refused(&[b"*".as_slice(), &[b'1'; 40]].concat()), "too big mbulk count string");
    for count in ["*x", "*+1", "*99999999999999999999"] {
        let error = refused(format!("{count}\r\n").as_bytes());
        assert_eq!(error, "invalid multibulk length: it is no number that there could be", "{count}");
    }
    for length in ["$-1", "$abc", "$+1"] {
        let error = refused(format!("*1\r\n{length}\r\n").as_bytes());
        assert_eq!(error, "invalid bulk length: it is no number of bytes", "{length}");
    }
    assert_eq!(whole(&b"*1\r\n".repeat(10_000)).1.unwrap().to_string(), "expected '$', got '*'");
}
