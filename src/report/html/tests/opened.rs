//! What headless Chromium makes of a page.

use std::path::PathBuf;

use serde_json::json;

use super::browser::Browser;
use super::*;

/// A page in a directory of its own, and a browser; none where there is no Chromium.
fn opened(page: &str) -> Option<(Browser, tempfile::TempDir)> {
    let mut browser = Browser::start()?;
    let folder = tempfile::tempdir().unwrap();
    browser.open(&written(&folder, page));
    Some((browser, folder))
}

fn written(folder: &tempfile::TempDir, page: &str) -> PathBuf {
    let path = folder.path().join("report.html");
    std::fs::write(&path, page).unwrap();
    path
}

/// Canvases on which nothing is drawn, and of those all.
const BLANK: &str = "(() => { const all = [...document.querySelectorAll('.uplot canvas')]; const blank = all.filter(c => \
    !c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some(v => v)); return [blank.length, all.length]; })()";

#[test]
fn every_page_draws_its_charts_and_asks_for_nothing() {
    let pages =
        [page(comparison(vec![run("only", 1.0)])), page_of(whole_file()), page(four()), page(sweep(3))];
    let Some((mut browser, folder)) = opened(&pages[0]) else { return };
    for (place, page) in pages.iter().enumerate() {
        if let Some(keep) = std::env::var_os("HARNESS_KEEP_PAGES") {
            std::fs::write(PathBuf::from(keep).join(format!("page{place}.html")), page).unwrap();
        }
        browser.open(&written(&folder, page));
        assert_eq!(browser.troubles(), Vec::<String>::new(), "page {place}");
        // The page itself: requests are heard of.
        assert!(browser.requests() >= 1);
        assert_eq!(browser.ask("document.documentElement.dataset.errors"), "0", "page {place}");
        let charts = browser.ask(
            "[document.documentElement.dataset.charts, \
             String(document.querySelectorAll('figure.chart').length)]",
        );
        assert!(charts[0] == charts[1] && charts[0] != "0", "page {place}: {charts}");
        let unknown = "[...document.querySelectorAll('.panel .note')].map(note => note.textContent).join('')";
        assert_eq!(browser.ask(unknown), "", "page {place}: a mark that the page cannot draw");
        let blank = browser.ask(BLANK);
        assert!(blank[0] == 0 && blank[1].as_u64() > Some(1), "page {place}: {blank}");
        let zoomed = "[...document.querySelectorAll('.plot .reset')].filter(button => !button.hidden).length";
        assert_eq!(browser.ask(zoomed), 0, "page {place}: a chart does not show all of itself");
        let empty =
            "[...document.querySelectorAll('[data-marks]')].filter(box => box.dataset.marks === '0').length";
        assert_eq!(browser.ask(empty), 0, "page {place}");
        let wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth";
        assert_eq!(browser.ask(wide), false, "page {place} is wider than the window");
    }
}

#[test]
fn a_head_sorts_its_table_and_sorts_it_back() {
    let Some((mut browser, _folder)) = opened(&page_of(whole_file())) else { return };
    let place = "[...document.querySelectorAll('#runs thead th')].findIndex(th => th.textContent.startsWith('TTFT p50'))";
    let place = browser.ask(place).as_u64().unwrap();
    let column = &format!(
        "[...document.querySelectorAll('#runs tbody tr')].map(row => Number(row.cells[{place}].dataset.sort))"
    );
    let click = &format!("document.querySelectorAll('#runs thead button')[{place}].click()");
    browser.ask(click);
    let rising: Vec<f64> = serde_json::from_value(browser.ask(column)).unwrap();
    assert!(rising.is_sorted() && rising.len() == 6 && rising[0] < rising[5], "{rising:?}");
    let said = &format!("document.querySelectorAll('#runs thead th')[{place}].getAttribute('aria-sort')");
    assert_eq!(browser.ask(said), "ascending");
    browser.ask(click);
    let falling: Vec<f64> = serde_json::from_value(browser.ask(column)).unwrap();
    assert!(falling.iter().rev().is_sorted(), "{falling:?}");
    assert_eq!(browser.ask(said), "descending");
}

#[test]
fn a_backend_is_turned_off_in_all_charts_and_on_again() {
    let Some((mut browser, _folder)) = opened(&page(four())) else { return };
    let marks = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(\
        [...document.querySelectorAll('.plot')].map(plot => plot.dataset.marks).join()))))";
    let click = "document.querySelector('#controls button').click()";
    let counts = |marks: &serde_json::Value| -> Vec<u32> {
        marks.as_str().unwrap().split(',').map(|count| count.parse().unwrap()).collect()
    };
    let whole = browser.ask(marks);
    browser.ask(click);
    let fewer = browser.ask(marks);
    let fewer = counts(&fewer).into_iter().zip(counts(&whole));
    assert!(fewer.clone().count() > 1 && fewer.clone().all(|(off, on)| off < on), "{fewer:?}");
    let bars = "document.querySelectorAll('.bars .who.off').length";
    assert_eq!(browser.ask(bars), 4, "one row of each panel");
    browser.ask(click);
    assert_eq!(browser.ask(marks), whole);
}

#[test]
fn a_chart_is_read_and_zoomed_by_keyboard_alone() {
    let Some((mut browser, _folder)) = opened(&page(four())) else { return };
    browser.ask("document.querySelector('#chart-throughput_over_time .plot').focus()");
    browser.press("ArrowRight");
    browser.press("ArrowRight");
    let said = browser.ask("document.querySelector('[aria-live]').textContent");
    assert!(said.as_str().unwrap().contains("llamacpp: "), "{said}");
    assert_eq!(browser.ask("document.querySelector('#chart-throughput_over_time .plot .tip').hidden"), false);
    let reset = "document.querySelector('#chart-throughput_over_time .plot .reset').hidden";
    assert_eq!(browser.ask(reset), true);
    // One line a backend, though lines have markers.
    let lines = browser.ask("document.querySelectorAll('#chart-throughput_over_time .plot .tip div').length");
    assert_eq!(lines, 5, "{said}");
    browser.press("+");
    assert_eq!(browser.ask(reset), false, "it is zoomed");
    browser.press("0");
    assert_eq!(browser.ask(reset), true, "it is whole again");
    assert_eq!(browser.troubles(), Vec::<String>::new());
}

#[test]
fn light_and_dark_follow_the_system_and_the_button() {
    let Some((mut browser, folder)) = opened(&page(four())) else { return };
    let dark = json!({"features": [{"name": "prefers-color-scheme", "value": "dark"}]});
    browser.call("Emulation.setEmulatedMedia", dark);
    browser.open(&folder.path().join("report.html"));
    let page = "getComputedStyle(document.body).backgroundColor";
    assert_eq!(browser.ask(page), "rgb(22, 24, 29)");
    browser.ask("document.querySelector('button.theme').click()");
    assert_eq!(browser.ask(page), "rgb(255, 255, 255)");
}

#[test]
fn text_that_would_act_is_read_as_text_and_a_mark_that_is_not_known_breaks_nothing() {
    let mut evil = whole_file();
    let text = serde_json::to_string(&evil.comparison).unwrap();
    let quoted = serde_json::to_string(EVIL).unwrap();
    evil.comparison = serde_json::from_str(&text.replace("\"llamacpp\"", &quoted)).unwrap();
    let page = page_of(evil).replace("\"kind\":\"line\"", "\"kind\":\"of_tomorrow\"");
    let Some((mut browser, _folder)) = opened(&page) else { return };
    assert_eq!(browser.troubles(), Vec::<String>::new());
    assert_eq!(browser.ask("document.images.length"), 0);
    let answer = browser.ask("document.querySelector('.answer').textContent");
    assert!(answer.as_str().unwrap().contains("</script><img src=x onerror=\"document.title"), "{answer}");
    assert_eq!(browser.ask("document.title.startsWith('Which')"), true);
    let note =
        browser.ask("[...document.querySelectorAll('.panel .note')].map(note => note.textContent).join('')");
    // Throughput, in flight at the client and waiting at the server, order of sending: each has its lines; and 3 panels
    // of the server, 5 of GPUs, 4 of CPUs.
    assert_eq!(note, "Not drawn here, see plots/: of_tomorrow".repeat(4 + 12));
}
