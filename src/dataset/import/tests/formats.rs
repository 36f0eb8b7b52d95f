//! Each form, what it is taken for, and what is wrong with bad rows.

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::*;

fn columns(pairs: &[(&str, &str)]) -> Import {
    let pairs = pairs.iter().map(|(key, column)| ((*key).to_owned(), (*column).to_owned()));
    Import { columns: Columns::new(pairs).unwrap(), ..Import::default() }
}

fn taken_for(text: &str) -> Detected {
    detect::detect(text.as_bytes(), true, &Columns::default())
}

#[test]
fn a_form_is_told_by_the_content() {
    let told = [
        (r#"[{"id":"x","conversations":[]}]"#, PromptFormat::Sharegpt),
        ("{\"conversation\":[{\"role\":\"user\"", PromptFormat::Sharegpt),
        (r#" [ {"prompt":"x"}]"#, PromptFormat::Jsonl),
        (r#"{"messages":[{"role":"user","content":"conversations"}]}"#, PromptFormat::Jsonl),
        (r#"{"custom_id":"1","body":{"prompt":"x"}}"#, PromptFormat::OpenaiBatch),
        (r#"{"question_id":1,"turns":["x"]}"#, PromptFormat::MtBench),
        (r#"{"input":"x","context":"y","length":3}"#, PromptFormat::Longbench),
        ("id,prompt\n1,x\n", PromptFormat::Csv),
        ("id\tPrompt\n1\tx\n", PromptFormat::Csv),
        ("prompt\nhello\n", PromptFormat::Csv),
        ("Name a river.\nName a hill, and a lake.\n", PromptFormat::Text),
        ("PAR1\u{0}", PromptFormat::Parquet),
    ];
    for (text, format) in told {
        assert_eq!(taken_for(text), Detected::Prompts(format), "{text}");
    }
    assert_eq!(taken_for(" \n"), Detected::Empty);
    assert_eq!(taken_for("[]"), Detected::Empty);
    for trace in [
        "TIMESTAMP,ContextTokens,GeneratedTokens\r\n2023-11-16 18:15:46.6805900,374,44",
        "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n5,ChatGPT,472,18,490,API log",
        r#"{"timestamp": 0, "input_length": 6755, "output_length": 500, "hash_ids": [0]}"#,
    ] {
        assert!(matches!(taken_for(trace), Detected::Trace(_)), "{trace}");
    }
    for unclear in ["a,b\n1,2\n", "{\n\"data\": []}", "[1,2]", "<html>", r#"{"question":"x"}"#, "x\u{0}y"] {
        assert!(matches!(taken_for(unclear), Detected::Unclear(..)), "{unclear}");
    }
}

#[test]
fn an_unclear_file_is_refused_with_the_list_of_forms() {
    let error = refused(import_text("city,people\nUlm,1\nBonn,2\n", &Import::default()));
    assert!(error.contains("a table with the columns `city`, `people`"), "{error}");
    assert!(
        error.contains("--format sharegpt|jsonl|text|openai-batch|mt-bench|longbench|csv|parquet"),
        "{error}"
    );
    let error = refused(import_text(r#"{"question":"x"}"#, &Import::default()));
    assert!(error.contains("holds `question`") && error.contains("--columns prompt=COLUMN"), "{error}");
}

#[test]
fn roles_go_by_their_names_and_an_answer_is_no_prompt() {
    let text = r#"[
        {"id": "a", "conversations": [{"from": "gpt", "value": "no"}, {"from": "human", "value": "One?"},
            {"from": "bard", "value": "1"}], "model": "m"},
        {"id": "a", "conversations": [{"role": "user", "content": "Two?"}, {"role": "assistant", "content": "22222"}]},
        {"id": 7, "conversations": [{"from": "human", "value": " "}, {"from": "gpt", "value": "x"},
            {"from": "user", "value": "T\u00e9?"}, {"from": "bing", "value": "x"}]},
        {"conversations": [{"from": "human", "value": "x"}, {"from": "system", "value": "x"}]},
        {"conversations": null, "id": "b"}
    ]"#;
    let (tally, prompts) = import_text(text, &skipping()).unwrap();
    assert_eq!(texts(&prompts), ["One?", "Two?", "Té?"]);
    assert_eq!(prompts.iter().map(|prompt| prompt.id.as_str()).collect::<Vec<_>>(), ["a", "a#2", "7"]);
    // A token for each four bytes of the reply, at least one.
    assert_eq!(
        prompts.iter().map(|prompt| prompt.max_tokens).collect::<Vec<_>>(),
        [Some(1), Some(2), Some(1)]
    );
    assert_eq!((tally.bad, tally.renamed, tally.estimated), (1, 1, 3));
    assert_eq!(tally.passed_over, ["model"]);
    let error = refused(import_text(text, &Import::default()));
    assert!(error.starts_with("mine, line 8 (record 5, which begins at byte "), "{error}");
    assert!(
        error.contains("it has no `conversations`\n")
            && error.ends_with("--skip-bad counts such rows and goes on"),
        "{error}"
    );
}

#[test]
fn what_stands_behind_the_turns_that_are_taken_is_not_read() {
    let pair = r#"{"from":"human","value":"One?"},{"from":"gpt","value":"Two"}"#;
    let text = format!(r#"[{{"id":"a","conversations":[{pair},{{"from":nothing}}],"later":"]}}"}}]"#);
    let (tally, prompts) = import_text(&text, &Import::default()).unwrap();
    assert_eq!((texts(&prompts), tally.kept), (vec!["One?".to_owned()], 1));
    let all = refused(import_text(&text, &Import { turns: Turns::All, ..Import::default() }));
    assert!(all.contains("malformed JSON"), "{all}");
    // An id that stands behind them is read, and so is all before it.
    let text = format!(r#"[{{"conversations":[{pair}],"more":1,"id":"b"}}]"#);
    let (tally, prompts) = import_text(&text, &Import::default()).unwrap();
    assert_eq!((prompts[0].id.as_str(), tally.passed_over), ("b", vec!["more".to_owned()]));
}

#[test]
fn a_bad_row_names_its_line_and_what_is_wrong() {
    let cases = [
        (
            "{\"prompt\":\"a\"}\n\n{\"prompt\":5}",
            "mine, line 3: `prompt`: invalid type: integer `5`, expected a string",
        ),
        (
            "{\"prompt\":\"a\"}\n{\"prompt\":\"b\"",
            "mine, line 2: malformed JSON: EOF while parsing an object",
        ),
        ("{\"prompt\":\"a\",\"max_tokens\":0}", "mine, line 1: `max_tokens` is 0"),
        (
            "[{\"prompt\":\"a\"},\n{\"prompt\":\n7}]",
            "mine, line 3 (record 2, which begins at byte 17): `prompt`",
        ),
        ("[{\"prompt\":\"a\"} {\"prompt\":\"b\"}]", "mine, byte 16: expected `,` or `]` behind a record"),
        ("[{\"prompt\":\"a\"},]", "mine, byte 16: expected a record"),
        ("[{\"prompt\":\"a\"}", "mine, byte 15 (the end): the file ends without the `]` of its list"),
        ("[{\"prompt\":\"a\"}]x", "mine, byte 16: something stands behind the end of the list"),
        ("[{\"prompt\":\"a\"},5]", "mine, line 1 (record 2, which begins at byte 16): invalid type: integer"),
        ("prompt,id\na,1\nb\n", "mine, line 3: it has 1 cells, and the first row names 2 columns"),
        ("prompt,max_tokens\r\n\"a\r\nb\",\r\n\r\nc,many\r\n", "mine, line 5: `max_tokens` is many"),
    ];
    for (text, what) in cases {
        let error = refused(import_text(text, &Import::default()));
        assert!(error.starts_with(what), "{text}\n{error}");
    }
    let error = refused(import_bytes(
        b"prompt\nok\ncaf\xe9\n",
        &[],
        &Import { format: Some(PromptFormat::Csv), ..Import::default() },
    ));
    assert!(error.starts_with("mine, line 3: not UTF-8"), "{error}");
    let error = refused(import_bytes(
        b"[{\"prompt\":\n\"\xff\"}]",
        &[],
        &Import { format: Some(PromptFormat::Jsonl), ..Import::default() },
    ));
    assert!(error.starts_with("mine, line 2 (record 1, which begins at byte 1): not UTF-8"), "{error}");
}

#[test]
fn with_skip_bad_what_is_sound_is_read_and_the_rest_counted() {
    let text = "[{\"prompt\":\"a\"} {\"prompt\":\"b\"}, 5, x y, {\"prompt\":}, [1}, {\"prompt\":\"c\"}]";
    let (tally, prompts) = import_text(text, &skipping()).unwrap();
    assert_eq!(texts(&prompts), ["a", "b", "c"]);
    assert!(tally.bad >= 5 && tally.faults.len() == 5, "{tally:?}");
}

#[test]
fn an_openai_batch_is_refused_row_by_row_where_no_text_is_asked_for() {
    let row =
        |more: &str| format!("{{\"custom_id\":\"r\",\"body\":{{\"model\":\"m\",\"temperature\":1{more}}}}}");
    let (tally, prompts) = import_text(
        &[
            row(",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"max_tokens\":5,\"max_completion_tokens\":7"),
            row(",\"prompt\":\"y\",\"max_tokens\":5"),
            row(",\"prompt\":[\"z\"]"),
        ]
        .join("\n"),
        &Import::default(),
    )
    .unwrap();
    assert_eq!(texts(&prompts), ["x", "y", "z"]);
    assert_eq!(prompts.iter().map(|prompt| prompt.max_tokens).collect::<Vec<_>>(), [Some(7), Some(5), None]);
    assert_eq!(tally.passed_over, ["body.model", "body.temperature"]);
    let cases = [
        (r#"{"custom_id":"1","url":"/v1/embeddings","body":{"input":"x"}}"#, "`url` is /v1/embeddings"),
        (r#"{"custom_id":"1","url":"/v1/responses","body":{"input":"x"}}"#, "`url` is /v1/responses"),
        (r#"{"custom_id":"1","method":"GET","body":{}}"#, "`method` is GET"),
        (r#"{"custom_id":"1","body":{"prompt":["a","b"]}}"#, "holds several prompts"),
        (r#"{"custom_id":"1","body":{"prompt":[1,2]}}"#, "is no text"),
        (r#"{"custom_id":"1","body":{}}"#, "neither `messages` nor `prompt`"),
        (r#"{"custom_id":"1","body":{"messages":[]}}"#, "`body.messages` is empty"),
        (r#"{"custom_id":"1","body":{"prompt":"x","max_tokens":-1}}"#, "`body`: "),
    ];
    for (line, what) in cases {
        let error = refused(import_text(line, &Import::default()));
        assert!(error.starts_with("mine, line 1: ") && error.contains(what), "{error}");
    }
}

#[test]
fn columns_of_any_name_stand_for_ours() {
    let how = columns(&[
        ("prompt", "question"),
        ("max_tokens", "len"),
        ("category", "topic"),
        ("id", "uid"),
        ("reply", "answer"),
    ]);
    let csv =
        "uid,question,len,topic,answer,prompt\n1,\"Why, then?\",128.0,a,long,no\n2,How?,,b,12345678,no\n";
    let lines = "{\"uid\":1,\"question\":\"Why, then?\",\"len\":128,\"topic\":\"a\",\"answer\":\"long\",\"prompt\":\"no\"}\n\
                 {\"uid\":2,\"question\":\"How?\",\"topic\":\"b\",\"answer\":\"12345678\",\"prompt\":\"no\"}";
    for text in [csv, &csv.replace(',', "\t").replace("Why\t", "Why,"), lines] {
        let (tally, prompts) = import_text(text, &how).unwrap();
        assert_eq!(texts(&prompts), ["Why, then?", "How?"], "{text}");
        assert_eq!(prompts.iter().map(|prompt| prompt.max_tokens).collect::<Vec<_>>(), [Some(128), Some(2)]);
        assert_eq!((prompts[1].id.as_str(), prompts[1].category.as_str()), ("2", "b"));
        assert_eq!(tally.passed_over, ["prompt"]);
    }
    let error = refused(import_text("a,b\n1,2\n", &columns(&[("prompt", "c")])));
    assert!(error.contains("a table with the columns `a`, `b`"), "{error}");
    let csv = Import { format: Some(PromptFormat::Csv), ..columns(&[("prompt", "c")]) };
    let error = refused(import_text("a,b\n1,2\n", &csv));
    assert!(error.starts_with("mine has no column `c` for prompt\n"), "{error}");
    assert!(error.ends_with("its columns are a, b"), "{error}");
    let pair = |key: &str, column: &str| (key.to_owned(), column.to_owned());
    assert!(Columns::new([pair("question", "a")]).is_err());
    assert!(Columns::new([pair("prompt", "a"), pair("prompt", "b")]).is_err());
}

#[test]
fn columns_that_no_row_has_are_refused_with_those_that_are_there() {
    let lines = "{\"question\": \"Why?\", \"uid\": 1}\n{\"question\": \"How?\", \"limit\": 9}\n";
    let sometimes = columns(&[("prompt", "question"), ("max_tokens", "limit")]);
    assert_eq!(import_text(lines, &sometimes).unwrap().1[1].max_tokens, Some(9), "one row has it");
    let how = columns(&[("prompt", "question"), ("max_tokens", "limt")]);
    for text in [lines.to_owned(), format!("[{}]", lines.trim_end().replace('\n', ","))] {
        let error = refused(import_text(&text, &how));
        assert!(error.starts_with("mine: no row has the column `limt` for max_tokens\n"), "{error}");
        assert!(error.ends_with("its first row has question, uid"), "{error}");
    }
    let talk = r#"[{"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]}]"#;
    let error = refused(import_text(talk, &columns(&[("prompt", "question")])));
    assert!(error.contains("those of sharegpt have names of their own"), "{error}");
}

#[test]
fn long_contexts_come_before_their_question() {
    let text = r#"{"input":"Who?","context":"A story.","dataset":"narrativeqa","_id":"k","answers":[]}"#;
    let (_, prompts) = import_text(text, &Import::default()).unwrap();
    assert_eq!(texts(&prompts), ["A story.\n\nWho?"]);
    assert_eq!((prompts[0].id.as_str(), prompts[0].category.as_str()), ("k", "narrativeqa"));
}

#[test]
fn packed_files_are_unpacked_and_a_mark_is_no_text() {
    let text = "\u{feff}[{\"prompt\":\"a\"},{\"prompt\":\"b\"}]";
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    io::Write::write_all(&mut gzip, text.as_bytes()).unwrap();
    let zstd = zstd::stream::encode_all(text.as_bytes(), 1).unwrap();
    for bytes in [text.as_bytes(), &gzip.finish().unwrap(), &zstd] {
        assert_eq!(texts(&import_bytes(bytes, &[3], &Import::default()).unwrap().1), ["a", "b"]);
    }
}

#[test]
fn parquet_is_read_by_its_columns() {
    use ::parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
    use ::parquet::file::writer::SerializedFileWriter;

    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("mine.dat");
    let schema =
        "message m { required binary question (UTF8); optional int64 len; required binary more (UTF8); }";
    let schema = std::sync::Arc::new(::parquet::schema::parser::parse_message_type(schema).unwrap());
    let file = std::fs::File::create(&path).unwrap();
    let mut writer = SerializedFileWriter::new(file, schema, std::sync::Arc::default()).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let texts_of = |texts: &[&str]| texts.iter().map(|text| ByteArray::from(*text)).collect::<Vec<_>>();
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<ByteArrayType>().write_batch(&texts_of(&["Why?", "Hów?"]), None, None).unwrap();
    column.close().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<Int64Type>().write_batch(&[5], Some(&[1, 0]), None).unwrap();
    column.close().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<ByteArrayType>().write_batch(&texts_of(&["x", "y"]), None, None).unwrap();
    column.close().unwrap();
    group.close().unwrap();
    writer.close().unwrap();

    let how = columns(&[("prompt", "question"), ("max_tokens", "len")]);
    let (tally, prompts) = import_files(std::slice::from_ref(&path), &how).unwrap();
    assert_eq!(texts(&prompts), ["Why?", "Hów?"]);
    assert_eq!(prompts.iter().map(|prompt| prompt.max_tokens).collect::<Vec<_>>(), [Some(5), None]);
    assert_eq!((tally.passed_over, tally.format), (vec!["more".to_owned()], Some(PromptFormat::Parquet)));
    let error = refused(import_files(std::slice::from_ref(&path), &Import::default()));
    assert!(
        error.contains("no column stands for the prompt") && error.contains("question, len, more"),
        "{error}"
    );
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() - 9]).unwrap();
    assert!(refused(import_files(&[path], &how)).contains("cannot be read as Parquet"));
}

#[test]
fn a_packed_file_that_was_cut_off_is_refused_with_the_cure_wherever_it_ends() {
    // Random letters, which do not pack: the file ends far behind its beginning, which is looked at.
    let mut random = ChaCha8Rng::seed_from_u64(3);
    let words =
        |random: &mut ChaCha8Rng| -> String { (0..40).map(|_| random.random_range('a'..='z')).collect() };
    for begin in ["{\"prompt\":\"a\"}\n", "prompt,max_tokens\n"] {
        let table = begin.starts_with('p');
        let rows: String = (0..20_000)
            .map(|_| words(&mut random))
            .map(|text| if table { format!("{text},5\n") } else { format!("{{\"prompt\":\"{text}\"}}\n") })
            .collect();
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        io::Write::write_all(&mut packed, format!("{begin}{rows}").as_bytes()).unwrap();
        let packed = packed.finish().unwrap();
        let told = refused(import_bytes(&packed[..packed.len() - 300], &[], &Import::default()));
        assert!(told.contains("cannot read mine") && told.contains("check that the file is whole"), "{told}");
    }
}

#[test]
fn a_comma_behind_the_last_column_is_no_column_that_is_passed_over() {
    let (tally, prompts) = import_text("prompt,max_tokens,\na,5,\n", &Import::default()).unwrap();
    assert_eq!((tally.passed_over.len(), texts(&prompts)), (0, vec!["a".to_owned()]));
}
