//! The calls of NVML that this program makes, behind a seam, so that tests need no GPU.

use std::fmt::Debug;

use nvml_wrapper::enum_wrappers::device::{Clock, PcieUtilCounter, TemperatureSensor};
use nvml_wrapper::enums::device::UsedGpuMemory;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::struct_wrappers::device::ProcessInfo;
use nvml_wrapper::sys_exports::field_id::{
    NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_RX, NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_TX,
    NVML_FI_DEV_PCIE_COUNT_RX_BYTES, NVML_FI_DEV_PCIE_COUNT_TX_BYTES, NVML_FI_DEV_POWER_AVERAGE,
    NVML_FI_DEV_POWER_INSTANT, NVML_FI_DEV_TOTAL_ENERGY_CONSUMPTION,
};
use nvml_wrapper::{Device, Nvml};
use nvml_wrapper_sys::bindings::{
    nvmlDevice_t, nvmlFieldValue_t, nvmlReturn_enum_NVML_ERROR_FUNCTION_NOT_FOUND,
    nvmlReturn_enum_NVML_ERROR_GPU_IS_LOST, nvmlReturn_enum_NVML_ERROR_INVALID_ARGUMENT,
    nvmlReturn_enum_NVML_ERROR_NO_PERMISSION, nvmlReturn_enum_NVML_ERROR_NOT_SUPPORTED,
    nvmlReturn_enum_NVML_ERROR_RESET_REQUIRED, nvmlReturn_enum_NVML_SUCCESS,
    nvmlValueType_enum_NVML_VALUE_TYPE_DOUBLE, nvmlValueType_enum_NVML_VALUE_TYPE_SIGNED_LONG_LONG,
    nvmlValueType_enum_NVML_VALUE_TYPE_UNSIGNED_INT, nvmlValueType_enum_NVML_VALUE_TYPE_UNSIGNED_LONG,
    nvmlValueType_enum_NVML_VALUE_TYPE_UNSIGNED_LONG_LONG,
};

/// One thing that NVML can be asked of a GPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Query {
    /// Share of time with any kernel, 0 to 1.
    Utilisation,
    /// Memory in use without what the driver reserves (version 2 of the call), bytes.
    MemoryUsed,
    /// W
    PowerInstant,
    /// W
    PowerAverage,
    /// Since the driver was loaded, J.
    Energy,
    /// °C
    Temperature,
    /// MHz
    SmClock,
    /// MHz
    MemoryClock,
    /// Bits.
    ClockReasons,
    /// Counter, bytes; it may wrap.
    PcieSentCount,
    /// Counter, bytes; it may wrap.
    PcieReceivedCount,
    /// Bytes/s. The call blocks for 20 ms.
    PcieSentRate,
    /// Bytes/s. The call blocks for 20 ms.
    PcieReceivedRate,
    /// Counter over all links, bytes.
    NvlinkSent,
    /// Counter over all links, bytes.
    NvlinkReceived,
}

/// Why a call gave nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    /// This GPU, or this driver, does not have it: it need not be asked again.
    Unsupported,
    /// The GPU is lost.
    Gone,
    /// This time it failed.
    Failed(String),
}

/// A GPU, or a MIG instance, that NVML shows.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Board {
    /// As NVML counts; of an instance 100 × (its place on its GPU, from 1) + the GPU's.
    pub index: u32,
    /// `GPU-…`, `MIG-…`
    pub uuid: String,
    /// `NVIDIA H200`
    pub name: String,
    /// It is an instance.
    pub is_slice: bool,
    /// It is cut into instances.
    pub is_sliced: bool,
    /// Memory in all, bytes.
    pub memory_bytes: Option<u64>,
    /// W
    pub power_limit_w: Option<f64>,
}

/// A process that holds memory, and how many bytes where NVML tells.
pub(super) type Holder = (u32, Option<u64>);

/// NVML. A GPU is named by its place in [`Calls::boards`].
pub(super) trait Calls: Debug + Send + Sync {
    /// Whole GPUs in NVML's order, which is the bus's, and then the instances.
    fn boards(&self) -> &[Board];

    /// An answer to each query, in their order.
    fn ask(&self, board: usize, queries: &[Query]) -> Vec<Result<f64, Trouble>>;

    /// The processes that hold memory.
    fn holders(&self, board: usize) -> Result<Vec<Holder>, Trouble>;
}

/// The library itself.
pub(super) struct RealCalls {
    nvml: Nvml,
    boards: Vec<Board>,
    handles: Vec<Handle>,
}

impl Debug for RealCalls {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("RealCalls").field("boards", &self.boards).finish_non_exhaustive()
    }
}

/// A device as NVML names it; good for as long as the library is loaded.
#[derive(Clone, Copy)]
struct Handle(nvmlDevice_t);

// SAFETY: NVML is safe to call from several threads, and the handle is a name that is only given back to it
// (nvml-wrapper's own Device is Send and Sync for the same reason).
unsafe impl Send for Handle {}
unsafe impl Sync for Handle {}

impl RealCalls {
    /// Loads NVML: `library` by its path, else `libnvidia-ml.so.1`, and else `libnvidia-ml.so`.
    ///
    /// # Errors
    /// It is not there, the driver is not loaded, or we have no permission.
    pub(super) fn load(library: Option<&std::ffi::OsStr>) -> Result<RealCalls, NvmlError> {
        let load = |path: &std::ffi::OsStr| Nvml::builder().lib_path(path).init();
        let nvml = match library {
            Some(path) => load(path)?,
            None => load("libnvidia-ml.so.1".as_ref()).or_else(|error| match error {
                NvmlError::LibloadingError(_) => load("libnvidia-ml.so".as_ref()).map_err(|_| error),
                error => Err(error),
            })?,
        };
        let (boards, handles) = find(&nvml)?.into_iter().unzip();
        Ok(RealCalls { nvml, boards, handles })
    }

    fn device(&self, board: usize) -> Option<Device<'_>> {
        let Handle(handle) = *self.handles.get(board)?;
        // SAFETY: the handle came from this library, which is still loaded.
        Some(unsafe { Device::new(handle, &self.nvml) })
    }
}

/// Every GPU that can be opened, and their instances.
fn find(nvml: &Nvml) -> Result<Vec<(Board, Handle)>, NvmlError> {
    let mut whole = Vec::new();
    let mut slices = Vec::new();
    for index in 0..nvml.device_count()? {
        // One that fell off the bus is not there, and the rest is.
        let Ok(device) = nvml.device_by_index(index) else { continue };
        let Ok(mut board) = describe(&device, index) else { continue };
        board.is_sliced = device.mig_mode().is_ok_and(|mode| mode.current == 1);
        let places = if board.is_sliced { device.mig_device_count().unwrap_or(0) } else { 0 };
        for place in 0..places {
            let Ok(slice) = device.mig_device_by_index(place) else { continue };
            let Ok(mut found) = describe(&slice, 100 * (place + 1) + index) else { continue };
            found.is_slice = true;
            slices.push((found, handle(&slice)));
        }
        whole.push((board, handle(&device)));
    }
    whole.extend(slices);
    Ok(whole)
}

fn handle(device: &Device<'_>) -> Handle {
    // SAFETY: it is only given back to the library that it came from.
    Handle(unsafe { device.handle() })
}

fn describe(device: &Device<'_>, index: u32) -> Result<Board, NvmlError> {
    Ok(Board {
        index,
        uuid: device.uuid()?,
        name: device.name()?,
        is_slice: false,
        is_sliced: false,
        memory_bytes: device.memory_info().ok().map(|memory| memory.total),
        power_limit_w: device.enforced_power_limit().ok().map(watts),
    })
}

fn watts(milliwatts: u32) -> f64 {
    f64::from(milliwatts) / 1000.0
}

impl Calls for RealCalls {
    fn boards(&self) -> &[Board] {
        &self.boards
    }

    fn ask(&self, board: usize, queries: &[Query]) -> Vec<Result<f64, Trouble>> {
        let Some(device) = self.device(board) else { return vec![Err(Trouble::Gone); queries.len()] };
        // Fields are answered by one call for all, which comes first: energy and power count to the moment.
        let fields: Vec<Field> = queries.iter().filter_map(|query| field(*query)).collect();
        let mut answers = self.fields(&device, &fields).into_iter();
        let answer = |query: &Query| match field(*query).and_then(|_| answers.next()) {
            // An older driver has no such field (of power before 530), and perhaps the call.
            None | Some(Err(Trouble::Unsupported)) => ask(&device, *query),
            Some(answer) => answer,
        };
        queries.iter().map(answer).collect()
    }

    fn holders(&self, board: usize) -> Result<Vec<Holder>, Trouble> {
        let device = self.device(board).ok_or(Trouble::Gone)?;
        let mut holders: Vec<Holder> =
            device.running_compute_processes().map_err(trouble)?.iter().map(holder).collect();
        // Those that draw: a chip without a screen does not know the question.
        for process in device.running_graphics_processes().unwrap_or_default() {
            if !holders.iter().any(|(pid, _)| *pid == process.pid) {
                holders.push(holder(&process));
            }
        }
        Ok(holders)
    }
}

fn holder(process: &ProcessInfo) -> Holder {
    let bytes = match process.used_gpu_memory {
        UsedGpuMemory::Used(bytes) => Some(bytes),
        UsedGpuMemory::Unavailable => None,
    };
    (process.pid, bytes)
}

/// One call that is not a field's.
fn ask(device: &Device<'_>, query: Query) -> Result<f64, Trouble> {
    let answer = match query {
        Query::Utilisation => device.utilization_rates().map(|rates| f64::from(rates.gpu) / 100.0),
        Query::MemoryUsed => device.memory_info().map(|memory| memory.used as f64),
        Query::PowerAverage => device.power_usage().map(watts),
        Query::Energy => device.total_energy_consumption().map(|millijoules| millijoules as f64 / 1000.0),
        Query::Temperature => device.temperature(TemperatureSensor::Gpu).map(f64::from),
        Query::SmClock => device.clock_info(Clock::SM).map(f64::from),
        Query::MemoryClock => device.clock_info(Clock::Memory).map(f64::from),
        Query::ClockReasons => device.current_throttle_reasons().map(|reasons| reasons.bits() as f64),
        Query::PcieSentRate => device.pcie_throughput(PcieUtilCounter::Send).map(kilobytes),
        Query::PcieReceivedRate => device.pcie_throughput(PcieUtilCounter::Receive).map(kilobytes),
        Query::PowerInstant
        | Query::PcieSentCount
        | Query::PcieReceivedCount
        | Query::NvlinkSent
        | Query::NvlinkReceived => return Err(Trouble::Unsupported),
    };
    answer.map_err(trouble)
}

/// NVML's unit of PCIe throughput is KB/s, of 1,000 bytes.
fn kilobytes(rate: u32) -> f64 {
    f64::from(rate) * 1000.0
}

/// A field of `nvmlDeviceGetFieldValues`.
#[derive(Debug, Clone, Copy)]
struct Field {
    id: u32,
    scope: u32,
    /// Its unit in ours.
    factor: f64,
}

/// The scope that means all links.
const ALL_LINKS: u32 = u32::MAX;

fn field(query: Query) -> Option<Field> {
    let (id, scope, factor) = match query {
        // mJ
        Query::Energy => (NVML_FI_DEV_TOTAL_ENERGY_CONSUMPTION, 0, 1e-3),
        Query::PowerInstant => (NVML_FI_DEV_POWER_INSTANT, 0, 1e-3),
        Query::PowerAverage => (NVML_FI_DEV_POWER_AVERAGE, 0, 1e-3),
        Query::PcieSentCount => (NVML_FI_DEV_PCIE_COUNT_TX_BYTES, 0, 1.0),
        Query::PcieReceivedCount => (NVML_FI_DEV_PCIE_COUNT_RX_BYTES, 0, 1.0),
        // KiB
        Query::NvlinkSent => (NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_TX, ALL_LINKS, 1024.0),
        Query::NvlinkReceived => (NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_RX, ALL_LINKS, 1024.0),
        Query::Utilisation
        | Query::MemoryUsed
        | Query::Temperature
        | Query::SmClock
        | Query::MemoryClock
        | Query::ClockReasons
        | Query::PcieSentRate
        | Query::PcieReceivedRate => return None,
    };
    Some(Field { id, scope, factor })
}

impl RealCalls {
    /// nvml-wrapper asks no field of all links: its scope is always 0.
    fn fields(&self, device: &Device<'_>, fields: &[Field]) -> Vec<Result<f64, Trouble>> {
        let Ok(call) = self.nvml.lib().nvmlDeviceGetFieldValues.as_ref() else {
            return vec![Err(Trouble::Unsupported); fields.len()];
        };
        if fields.is_empty() {
            return Vec::new();
        }
        let asked = |field: &Field| {
            // SAFETY: a struct of numbers.
            let mut value: nvmlFieldValue_t = unsafe { std::mem::zeroed() };
            (value.fieldId, value.scopeId) = (field.id, field.scope);
            value
        };
        let mut values: Vec<nvmlFieldValue_t> = fields.iter().map(asked).collect();
        // SAFETY: the handle is the library's own, and the count is the slice's.
        let done = unsafe { call(device.handle(), values.len() as i32, values.as_mut_ptr()) };
        if done != nvmlReturn_enum_NVML_SUCCESS {
            return vec![Err(of_return(done)); fields.len()];
        }
        fields.iter().zip(&values).map(|(field, value)| Ok(number(value)? * field.factor)).collect()
    }
}

// The bindings' constants are called as C calls them.
#[allow(non_upper_case_globals)]
fn number(value: &nvmlFieldValue_t) -> Result<f64, Trouble> {
    if value.nvmlReturn != nvmlReturn_enum_NVML_SUCCESS {
        return Err(of_return(value.nvmlReturn));
    }
    // SAFETY: the type says which of the union's numbers was written, and each of them is a number whatever the bits.
    let number = unsafe {
        match value.valueType {
            nvmlValueType_enum_NVML_VALUE_TYPE_DOUBLE => value.value.dVal,
            nvmlValueType_enum_NVML_VALUE_TYPE_UNSIGNED_INT => f64::from(value.value.uiVal),
            nvmlValueType_enum_NVML_VALUE_TYPE_UNSIGNED_LONG => value.value.ulVal as f64,
            nvmlValueType_enum_NVML_VALUE_TYPE_UNSIGNED_LONG_LONG => value.value.ullVal as f64,
            nvmlValueType_enum_NVML_VALUE_TYPE_SIGNED_LONG_LONG => value.value.sllVal as f64,
            other => return Err(Trouble::Failed(format!("a field's value of type {other}"))),
        }
    };
    Ok(number)
}

/// A field fails for good where this chip or driver lacks it, or we may not read it; else it is asked again.
#[allow(non_upper_case_globals)]
fn of_return(code: u32) -> Trouble {
    match code {
        nvmlReturn_enum_NVML_ERROR_NOT_SUPPORTED
        | nvmlReturn_enum_NVML_ERROR_INVALID_ARGUMENT
        | nvmlReturn_enum_NVML_ERROR_FUNCTION_NOT_FOUND
        | nvmlReturn_enum_NVML_ERROR_NO_PERMISSION => Trouble::Unsupported,
        nvmlReturn_enum_NVML_ERROR_GPU_IS_LOST | nvmlReturn_enum_NVML_ERROR_RESET_REQUIRED => Trouble::Gone,
        other => Trouble::Failed(format!("NVML's error {other}")),
    }
}

fn trouble(error: NvmlError) -> Trouble {
    match error {
        NvmlError::GpuLost | NvmlError::ResetRequired | NvmlError::Uninitialized => Trouble::Gone,
        NvmlError::NotSupported
        | NvmlError::InvalidArg
        | NvmlError::NoPermission
        | NvmlError::FunctionNotFound
        | NvmlError::FailedToLoadSymbol(_) => Trouble::Unsupported,
        error => Trouble::Failed(error.to_string()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
#[path = "nvml_calls_tests.rs"]
mod tests;
