//! GPUs, host, processes and the server's queue.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::frame::below_rule;
use super::words::{BUSY, DOUBT, FAINT, GOOD, bar, gib};
use crate::commands::tui::board::Board;
use crate::commands::tui::machine::{GpuNow, Machine};

/// Columns of a bar.
const BAR: usize = 16;

/// Lines of it.
pub fn lines(board: &Board) -> u16 {
    let Some(machine) = known(board) else { return 0 };
    let host = usize::from(has_host(machine)) + usize::from(has_queue(machine));
    u16::try_from(machine.gpus.len() + host).unwrap_or(u16::MAX)
}

fn known(board: &Board) -> Option<&Machine> {
    board.run.as_ref().map(|run| &run.machine).filter(|machine| !machine.is_unknown())
}

fn has_host(machine: &Machine) -> bool {
    [machine.busy_cores, machine.server_cores, machine.server_bytes, machine.client_cores]
        .iter()
        .any(Option::is_some)
}

fn has_queue(machine: &Machine) -> bool {
    [machine.running, machine.waiting, machine.kv_use].iter().any(Option::is_some)
}

/// Draws it.
pub fn draw(buffer: &mut Buffer, area: Rect, board: &Board) {
    let Some(machine) = known(board) else { return };
    let names: Vec<&str> = board.environment.gpus.iter().map(|gpu| gpu.name.as_str()).collect();
    let area = below_rule(buffer, area, lines(board), ("Machine", names.first().copied().unwrap_or("")));
    let mut lines = Vec::new();
    if has_queue(machine) {
        lines.push(queue(machine));
    }
    lines.extend(machine.gpus.iter().map(|(number, gpu)| gpu_line(*number, gpu, board)));
    if has_host(machine) {
        lines.push(host(machine, board));
    }
    for (y, line) in (area.y..area.bottom()).zip(lines) {
        buffer.set_line(area.x, y, &line, area.width);
    }
}

fn head(name: &str) -> Span<'static> {
    Span::styled(format!(" {name:<7}"), FAINT)
}

fn share(spans: &mut Vec<Span<'static>>, share: Option<f64>) {
    match share {
        Some(share) => {
            spans.extend(bar(share, BAR, if share > 0.95 { DOUBT } else { GOOD }));
            spans.push(Span::raw(format!(" {:>3.0} %", share * 100.0)));
        }
        None => spans.push(Span::styled(format!("{:<1$}", "–", BAR + 6), FAINT)),
    }
}

fn gpu_line(number: u32, gpu: &GpuNow, board: &Board) -> Line<'static> {
    let mut spans = vec![head(&format!("GPU {number}"))];
    share(&mut spans, gpu.utilisation);
    if let Some(used) = gpu.memory_used {
        let known = board.environment.gpus.iter().find(|known| known.index == number);
        let of = known.map(|known| format!(" / {}", gib(known.memory_bytes as f64))).unwrap_or_default();
        spans.push(Span::raw(format!("   {}{of}", gib(used))));
        spans.push(Span::styled(" GiB", FAINT));
    }
    if let Some(power) = gpu.power_w {
        spans.push(Span::raw(format!("   {power:.0}")));
        spans.push(Span::styled(" W", FAINT));
    }
    if let Some(temperature) = gpu.temperature_c {
        spans.push(Span::raw(format!("   {temperature:.0}")));
        spans.push(Span::styled(" °C", FAINT));
    }
    Line::from(spans)
}

fn host(machine: &Machine, board: &Board) -> Line<'static> {
    let cores = board.environment.cores.max(1) as f64;
    let mut spans = vec![head("CPU")];
    share(&mut spans, machine.busy_cores.map(|busy| busy / cores));
    let mut part = |words: String, unit: &'static str| {
        spans.push(Span::raw(words));
        spans.push(Span::styled(unit, FAINT));
    };
    if machine.busy_cores.is_some() {
        part(String::new(), "   of ");
        part(format!("{cores:.0}"), " cores");
    }
    if let Some(server) = machine.server_cores {
        part(format!("   {server:.1}"), " server");
    }
    if let Some(client) = machine.client_cores {
        part(format!("   {client:.1}"), " client");
    }
    if let Some(bytes) = machine.server_bytes {
        part(format!("   {}", gib(bytes)), " GiB server");
    }
    if let Some(bytes) = machine.free_bytes {
        part(format!("   {}", gib(bytes)), " GiB free");
    }
    Line::from(spans)
}

fn queue(machine: &Machine) -> Line<'static> {
    let mut spans = vec![head("Server")];
    if let Some(kv) = machine.kv_use {
        share(&mut spans, Some(kv));
        spans.push(Span::styled(" of KV cache", FAINT));
    }
    for (value, name) in [(machine.running, " running"), (machine.waiting, " waiting")] {
        if let Some(value) = value {
            let style = if name == " waiting" && value > 0.0 { DOUBT } else { BUSY };
            let gap = if spans.len() > 1 { "   " } else { "" };
            spans.push(Span::styled(format!("{gap}{value:.0}"), style));
            spans.push(Span::styled(name, FAINT));
        }
    }
    Line::from(spans)
}
