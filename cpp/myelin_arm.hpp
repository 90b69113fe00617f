// Drives an arm that `myelin control` owns, from C++17: one header, nothing but the standard library and POSIX.
//
//   #include "myelin_arm.hpp"
//
//   int main() {
//     myelin::Arm arm;
//     arm.start();
//     arm.move_to({0.5, 1.7, 1.6, -1.5, 0, 0}, 2.0);
//     arm.gripper(0.02);
//   }
//
// Everything is limited by the control process, so nothing sent here can drive the arm past its limits. When this
// process ends, hangs or is killed, the arm holds within the command timeout (0.2 s). Joints in rad, the gripper, which
// is last, in m. Commands take the lease by themselves and fail when another has it; they block until they are done,
// and `hold()` from another thread ends them. What goes wrong is an ArmError. In full: docs/remote.md.
#pragma once

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <time.h>
#include <utility>
#include <vector>

namespace myelin {

// <generated> by "node tools/generate-segment.mjs" from src/segment/*-layout.ts: do not edit.
namespace layout {
inline constexpr const char* DEFAULT_ARM_SEGMENT = "arx5_control";
inline constexpr const char* CAMERA_SEGMENT_PREFIX = "myelin_cam_";
inline constexpr const char* WORLD_SEGMENT_PREFIX = "myelin_world_";
inline constexpr std::uint32_t ARM_LAYOUT_VERSION = 1;
inline constexpr std::uint32_t ARM_MAGIC = 1279613261;
inline constexpr std::uint32_t ARM_SEGMENT_BYTES = 102400;
inline constexpr std::uint32_t CHUNK_SLOTS = 4;
inline constexpr std::uint32_t CHUNK_SLOTS_OFFSET = 32768;
inline constexpr std::uint32_t CHUNK_SLOT_BYTES = 16512;
inline constexpr std::uint32_t EVENT_RECORDS = 256;
inline constexpr std::uint32_t EVENT_RECORDS_OFFSET = 20608;
inline constexpr std::uint32_t EVENT_RECORD_BYTES = 32;
inline constexpr std::uint32_t SEED_DOF = 7;
inline constexpr std::uint32_t SEED_CHUNK_ROWS = 36;
inline constexpr std::uint32_t MAX_DOF = 16;
inline constexpr std::uint32_t MAX_CHUNK_ROWS = 128;
inline constexpr std::uint32_t CAMERA_LAYOUT_VERSION = 1;
inline constexpr std::uint32_t CAMERA_MAGIC = 1296259405;
inline constexpr std::uint32_t CAMERA_SLOTS = 4;
inline constexpr std::uint32_t CAMERA_SLOTS_OFFSET = 4096;
inline constexpr std::uint32_t CAMERA_SLOT_HEADER_BYTES = 64;
inline constexpr std::uint32_t WORLD_LAYOUT_VERSION = 1;
inline constexpr std::uint32_t WORLD_MAGIC = 1146575181;
inline constexpr std::size_t version = 0x000;  // Layout version
inline constexpr std::size_t control_state = 0x004;  // IDLE 0, RUNNING 1, PAUSED 2, RESETTING 3, EMERGENCY_STOP 4, DAMPING 5
inline constexpr std::size_t requests = 0x008;  // START 1, PAUSE 2, RESET 4, STOP 8; the control process clears them. Prefer requestFlags
inline constexpr std::size_t acknowledgements = 0x00C;  // Request bits handled last, same values
inline constexpr std::size_t errors = 0x010;  // TIMEOUT 1, SAFETY 2, COMMUNICATION 4, HARDWARE 8, and finer bits above them
inline constexpr std::size_t control_timestamp_s = 0x020;  // Unix time of the last tick, s
inline constexpr std::size_t inference_timestamp_s = 0x028;  // Heartbeat of whoever sends actions, Unix time, s
inline constexpr std::size_t joint_positions = 0x040;  // Measured: 6 joints rad, gripper m
inline constexpr std::size_t joint_velocities = 0x080;  // Measured: 6 joints rad/s, gripper m/s
inline constexpr std::size_t action_index = 0x100;  // Row of the chunk being executed
inline constexpr std::size_t action_count = 0x104;  // Rows in the chunk, 0 to 36
inline constexpr std::size_t actions = 0x108;  // One row per policy step: 6 joints rad, gripper m
inline constexpr std::size_t magic = 0x1000;  // "MYEL" in ASCII; absent in a segment that is not ours
inline constexpr std::size_t segment_bytes = 0x1004;  // Size of the whole segment
inline constexpr std::size_t dof = 0x1008;  // Degrees of freedom in use, gripper included
inline constexpr std::size_t control_pid = 0x100C;  // Process id of the control loop
inline constexpr std::size_t guardian_pid = 0x1010;  // Process id of the guardian
inline constexpr std::size_t grants = 0x1014;  // Granted by the system: 1 SCHED_FIFO, 2 CPU affinity, 4 locked pages, 8 timer slack
inline constexpr std::size_t model = 0x1020;  // Arm model, for example X5
inline constexpr std::size_t interface_name = 0x1040;  // Bus, for example can0
inline constexpr std::size_t created_ns = 0x1080;  // Monotonic time at which the segment was made, ns
inline constexpr std::size_t guardian_heartbeat_ns = 0x1088;  // Monotonic time of the guardian's last look, ns
inline constexpr std::size_t requests_handled = 0x1090;  // How often START, PAUSE, RESET, STOP was carried out
inline constexpr std::size_t requests_refused = 0x10A0;  // How often START, PAUSE, RESET, STOP was refused in its state
inline constexpr std::size_t trace_sequence = 0x10B0;  // Records written to the trace
inline constexpr std::size_t request_flags = 0x10B4;  // START, PAUSE, RESET, STOP, a word each: set to 1, cleared by the control process; none can be lost
inline constexpr std::size_t pid_namespace = 0x10C4;  // Inode of the PID namespace in which process ids of this segment count (/proc/self/ns/pid); 0 = unknown
inline constexpr std::size_t state_sequence = 0x1200;  // Sequence lock of the state: odd while it is being written
inline constexpr std::size_t limits_hit = 0x1204;  // Limits that shaped the last command, one bit each (see the control page)
inline constexpr std::size_t hold_reason = 0x1208;  // Why the arm holds: 0 it does not, 1 no fresh action, 2 watchdog, 3 paused, 4 chunk refused, 5 collision, 6 no feedback
inline constexpr std::size_t chunk_sequence_active = 0x120C;  // Sequence number of the chunk being executed
inline constexpr std::size_t tick_ns = 0x1210;  // Monotonic time of the tick that wrote this state, ns
inline constexpr std::size_t tick = 0x1218;  // Ticks since start
inline constexpr std::size_t bus_load = 0x1220;  // Share of the bus bit rate in use, 0 to 1
inline constexpr std::size_t bus_sent = 0x1228;  // Frames sent
inline constexpr std::size_t bus_received = 0x1230;  // Frames received
inline constexpr std::size_t bus_dropped = 0x1238;  // Frames not sent because the queue was full
inline constexpr std::size_t clamped_ticks = 0x1240;  // Ticks in which the command lay outside a joint range
inline constexpr std::size_t chunks_refused = 0x1248;  // Action chunks that were refused
inline constexpr std::size_t position = 0x1280;  // Measured pose, rad and m
inline constexpr std::size_t velocity = 0x1300;  // Measured, rad/s and m/s
inline constexpr std::size_t torque = 0x1380;  // Measured load, Nm and N, uncalibrated
inline constexpr std::size_t commanded_position = 0x1400;  // Commanded pose, rad and m
inline constexpr std::size_t commanded_velocity = 0x1480;  // Commanded, rad/s and m/s
inline constexpr std::size_t commanded_acceleration = 0x1500;  // Commanded, rad/s2 and m/s2
inline constexpr std::size_t target_position = 0x1580;  // What the policy or reset wants now, before limits
inline constexpr std::size_t motor_temperature_c = 0x1600;  // Motor winding, degC
inline constexpr std::size_t driver_temperature_c = 0x1680;  // Motor electronics, degC
inline constexpr std::size_t feedback_age_ns = 0x1700;  // Age of each motor's newest feedback, ns
inline constexpr std::size_t motor_status = 0x1780;  // Status each motor reports, as it reports it
inline constexpr std::size_t motor_fault = 0x17C0;  // Fault bits of each motor
inline constexpr std::size_t control_frequency_hz = 0x2000;  // Control rate
inline constexpr std::size_t command_timeout_s = 0x2008;  // Without a fresh action for this long: hold
inline constexpr std::size_t watchdog_timeout_s = 0x2010;  // Without a heartbeat for this long: PAUSED
inline constexpr std::size_t default_step_period_s = 0x2018;  // Seconds between rows of a chunk in the first page
inline constexpr std::size_t table_plane_z = 0x2020;  // No part of the arm goes below this height in its base frame, m; NaN = off
inline constexpr std::size_t position_min = 0x2080;  // rad and m
inline constexpr std::size_t position_max = 0x2100;  // rad and m
inline constexpr std::size_t velocity_max = 0x2180;  // rad/s and m/s
inline constexpr std::size_t acceleration_max = 0x2200;  // rad/s2 and m/s2
inline constexpr std::size_t jerk_max = 0x2280;  // rad/s3 and m/s3
inline constexpr std::size_t torque_max = 0x2300;  // Nm and N
inline constexpr std::size_t home = 0x2380;  // Pose that RESET moves to
inline constexpr std::size_t ticks = 0x3000;  // Ticks carried out
inline constexpr std::size_t missed = 0x3008;  // Periods skipped because a wake-up was more than one period late
inline constexpr std::size_t period_ns = 0x3010;  // Nominal period, ns
inline constexpr std::size_t lateness_max_ns = 0x3018;  // Largest wake-up lateness, ns
inline constexpr std::size_t execution_max_ns = 0x3020;  // Longest tick, ns
inline constexpr std::size_t lateness_sum_ns = 0x3028;  // Sum of wake-up lateness, ns
inline constexpr std::size_t execution_sum_ns = 0x3030;  // Sum of tick durations, ns
inline constexpr std::size_t lateness_last_ns = 0x3038;  // Wake-up lateness of the last tick, ns
inline constexpr std::size_t execution_last_ns = 0x3040;  // Duration of the last tick, ns
inline constexpr std::size_t lateness_histogram = 0x3100;  // Wake-up lateness
inline constexpr std::size_t execution_histogram = 0x3200;  // Tick duration
inline constexpr std::size_t period_histogram = 0x3300;  // Distance of the real period from the nominal one
inline constexpr std::size_t lease_owner = 0x4000;  // Who commands: a process id, or 2^31 and above for one that has none here; taken by compare-and-swap; 0 = free
inline constexpr std::size_t chunk_sequence = 0x4004;  // Sequence number of the newest whole chunk; its slot is this modulo 4
inline constexpr std::size_t lease_heartbeat_ns = 0x4008;  // Monotonic time of the last heartbeat, ns; the lease lapses a watchdog timeout later
inline constexpr std::size_t lease_name = 0x4010;  // Who commands, for people
inline constexpr std::size_t policy_name = 0x4050;  // Policy in use, for people
inline constexpr std::size_t task = 0x40B0;  // Task in words
inline constexpr std::size_t queue_depth = 0x4130;  // Actions planned and not yet due, rows
inline constexpr std::size_t queue_capacity = 0x4138;  // Rows a full chunk has
inline constexpr std::size_t inference_ms = 0x4140;  // Duration of the last inference, ms
inline constexpr std::size_t frame_age_ms = 0x4148;  // Age of the oldest camera frame in the last observation, ms
inline constexpr std::size_t inferences = 0x4150;  // Inferences since start
inline constexpr std::size_t inference_errors = 0x4158;  // Failed inferences since start
inline constexpr std::size_t commander_paused = 0x4160;  // 1 while the commander sends no actions on purpose
inline constexpr std::size_t operator_heartbeat_ns = 0x4168;  // Monotonic time at which the gateway last said who operates, ns; 0 = nobody does
inline constexpr std::size_t operator_name = 0x4170;  // Who operates remotely, for people
inline constexpr std::size_t hold_timeout_s = 0x41B0;  // What the commander promises: without a heartbeat for so long its chunk is over and the arm holds, s; 0 = no promise
inline constexpr std::size_t event_count = 0x5000;  // Events ever written; the newest is at (count - 1) modulo 256
namespace chunk_slot {
inline constexpr std::size_t slot_sequence = 0x000;  // Sequence number of the chunk in this slot; 0 while it is being written
inline constexpr std::size_t rows = 0x004;  // Rows, 1 to 128
inline constexpr std::size_t dof = 0x008;  // Numbers a row
inline constexpr std::size_t source = 0x00C;  // Its writer, as in leaseOwner
inline constexpr std::size_t start_ns = 0x010;  // Monotonic time at which row 0 is due, ns
inline constexpr std::size_t step_period_s = 0x018;  // Seconds between rows
inline constexpr std::size_t observed_ns = 0x020;  // Monotonic time of the observation behind it, ns
inline constexpr std::size_t timestep = 0x028;  // Policy step of row 0
inline constexpr std::size_t checksum = 0x030;  // Sum modulo 2^32 of the 12 words from 0x00 to 0x2c, with the final slotSequence, and of every word of the rows
inline constexpr std::size_t actions = 0x080;  // rows * dof numbers, row by row
}  // namespace chunk_slot
namespace camera {
inline constexpr std::size_t version = 0x000;  // Layout version
inline constexpr std::size_t magic = 0x004;  // "MYCM" in ASCII
inline constexpr std::size_t segment_bytes = 0x008;  // Size of the whole segment
inline constexpr std::size_t writer_pid = 0x00C;  // Process id of the writer
inline constexpr std::size_t width = 0x010;  // Pixels
inline constexpr std::size_t height = 0x014;  // Pixels
inline constexpr std::size_t slot_bytes = 0x018;  // Distance from one slot to the next
inline constexpr std::size_t frame_sequence = 0x01C;  // Sequence number of the newest whole frame; its slot is this modulo 4; 0 = none yet
inline constexpr std::size_t frequency_hz = 0x020;  // Nominal rate
inline constexpr std::size_t created_ns = 0x028;  // Monotonic time at which the segment was made, ns
inline constexpr std::size_t name = 0x040;  // Camera name
}  // namespace camera
namespace camera_slot {
inline constexpr std::size_t slot_sequence = 0x000;  // Sequence number of the frame in this slot; 0 while it is being written
inline constexpr std::size_t captured_ns = 0x008;  // Monotonic time of capture, ns
inline constexpr std::size_t captured_unix_s = 0x010;  // Unix time of capture, s
}  // namespace camera_slot
}  // namespace layout
// </generated>

// --------------------------------------------------------------------------------------------------------- Errors
struct ArmError : std::runtime_error {
  using std::runtime_error::runtime_error;
};
// The segment is missing, of another version, or its control process is gone.
struct SegmentError : ArmError {
  using ArmError::ArmError;
};
// Another process commands the arm, or this project may not.
struct LeaseHeld : ArmError {
  using ArmError::ArmError;
};
// The arm was taken from this process while it commanded it.
struct LeaseLost : LeaseHeld {
  using LeaseHeld::LeaseHeld;
};
// The arm is paused, holds, or was held up on its way.
struct ArmHolds : ArmError {
  using ArmError::ArmError;
};
// The arm was stopped; only starting its control process again helps.
struct ArmStopped : ArmHolds {
  using ArmHolds::ArmHolds;
};
// Another command of this process took the place of this one.
struct Interrupted : ArmError {
  using ArmError::ArmError;
};

using Vector = std::vector<double>;

namespace detail {

inline double monotonic_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

inline double unix_s() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

inline void pause_ms(int ms) { std::this_thread::sleep_for(std::chrono::milliseconds(ms)); }
inline void fence() { __atomic_thread_fence(__ATOMIC_SEQ_CST); }

inline std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

inline std::string number_text(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%g", value);
  return text;
}

// A mapped file of shared memory. Words and numbers are read and written as one.
class Memory {
 public:
  // Null when there is no such file. @throws SegmentError
  static std::shared_ptr<Memory> open(const std::string& path, bool writable) {
    const int fd = ::open(path.c_str(), (writable ? O_RDWR : O_RDONLY) | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
      if (errno == ENOENT) return nullptr;
      throw SegmentError(path + " cannot be opened: " + std::strerror(errno) + "; run as the user who made it");
    }
    return std::shared_ptr<Memory>(new Memory(path, fd, writable));
  }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  ~Memory() {
    ::munmap(bytes_, size_);
    ::close(fd_);
  }

  std::size_t size() const { return size_; }
  // Whether the name still leads here, and not to a newer segment or nowhere.
  bool current() const {
    struct stat status {};
    return ::stat(path_.c_str(), &status) == 0 && status.st_ino == inode_;
  }
  std::uint32_t word(std::size_t at) const {
    return __atomic_load_n(reinterpret_cast<const std::uint32_t*>(bytes_ + at), __ATOMIC_SEQ_CST);
  }
  void word(std::size_t at, std::uint32_t value) {
    __atomic_store_n(reinterpret_cast<std::uint32_t*>(bytes_ + at), value, __ATOMIC_SEQ_CST);
  }
  bool exchange(std::size_t at, std::uint32_t expected, std::uint32_t value) {
    auto* word = reinterpret_cast<std::uint32_t*>(bytes_ + at);
    return __atomic_compare_exchange_n(word, &expected, value, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
  }
  double number(std::size_t at) const {
    const std::uint64_t bits = __atomic_load_n(reinterpret_cast<const std::uint64_t*>(bytes_ + at), __ATOMIC_SEQ_CST);
    double value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
  }
  void number(std::size_t at, double value) {
    std::uint64_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    __atomic_store_n(reinterpret_cast<std::uint64_t*>(bytes_ + at), bits, __ATOMIC_SEQ_CST);
  }
  Vector numbers(std::size_t at, std::size_t count) const {
    Vector values;
    for (std::size_t i = 0; i < count; i++) values.push_back(number(at + 8 * i));
    return values;
  }
  std::string text(std::size_t at, std::size_t length) const {
    const char* start = reinterpret_cast<const char*>(bytes_ + at);
    return std::string(start, ::strnlen(start, length));
  }
  void text(std::size_t at, std::size_t length, const std::string& value) {
    std::memset(bytes_ + at, 0, length);
    std::memcpy(bytes_ + at, value.data(), std::min(length, value.size()));
  }
  std::uint8_t* bytes() { return bytes_; }

  // Runs `change` while nobody who has no atomic exchange is at it, as far as that can be had without waiting.
  template <class Change>
  void exclusively(Change change) {
    const bool locked = ::flock(fd_, LOCK_EX | LOCK_NB) == 0;
    try {
      change();
    } catch (...) {
      if (locked) ::flock(fd_, LOCK_UN);
      throw;
    }
    if (locked) ::flock(fd_, LOCK_UN);
  }

 private:
  Memory(std::string path, int fd, bool writable) : path_(std::move(path)), fd_(fd) {
    struct stat status {};
    ::fstat(fd, &status);
    size_ = static_cast<std::size_t>(status.st_size);
    inode_ = status.st_ino;
    void* address = size_ < 4096 ? MAP_FAILED
                                 : ::mmap(nullptr, size_, writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, fd, 0);
    if (address == MAP_FAILED) {
      ::close(fd);
      throw SegmentError(path_ + " is not one of Myelin's segments");
    }
    bytes_ = static_cast<std::uint8_t*>(address);
  }

  std::string path_;
  int fd_;
  std::size_t size_ = 0;
  ino_t inode_ = 0;
  std::uint8_t* bytes_ = nullptr;
};

constexpr std::uint32_t no_process = 1u << 31;

// Inode of this process's PID namespace; 0 where that cannot be known.
inline std::uint32_t pid_namespace() {
  char text[64] = {};
  const ssize_t length = ::readlink("/proc/self/ns/pid", text, sizeof text - 1);
  return length > 5 ? static_cast<std::uint32_t>(std::strtoul(text + 5, nullptr, 10)) : 0;
}

inline bool same_numbers(const Memory& memory) {
  const std::uint32_t theirs = memory.word(layout::pid_namespace);
  const std::uint32_t mine = pid_namespace();
  return theirs == 0 || mine == 0 || theirs == mine;
}

// What this process calls itself in the segment: what the worker told it, since behind a sandbox its process id is
// another one than outside; else its process id; else, in a foreign namespace, a number that is nobody's.
inline std::uint32_t commander_id(const Memory& memory) {
  const std::string given = environment("MYELIN_COMMANDER");
  if (!given.empty() && given.size() <= 10 && given.find_first_not_of("0123456789") == std::string::npos) {
    const unsigned long long id = std::stoull(given);
    if (id > 0 && id <= 0xffffffffull && given[0] != '0') return static_cast<std::uint32_t>(id);
  }
  if (same_numbers(memory)) return static_cast<std::uint32_t>(::getpid());
  static const std::uint32_t drawn = no_process | std::random_device{}();
  return drawn;
}

}  // namespace detail

// ----------------------------------------------------------------------------------------------------- Trajectory
struct Limits {
  Vector position_min, position_max, velocity, acceleration, jerk, home;
};

// Rows of a chunk and the time between them, s.
struct Plan {
  std::vector<Vector> rows;
  double period_s = 0;
  double seconds() const { return static_cast<double>(rows.size() - 1) * period_s; }
};

namespace detail {

// Part of the limits that a move uses: the rest is for going along its rows.
constexpr double share = 0.8;
constexpr double row_period_s = 0.02;
constexpr int most_intervals = 127;
constexpr double longest_s = 127;

inline std::pair<int, double> grid(double duration) {
  const int intervals = std::clamp(static_cast<int>(std::ceil(duration / row_period_s)), 1, most_intervals);
  return {intervals, std::max(duration, row_period_s) / intervals};
}

}  // namespace detail

// The least time a move may take, s. Peaks of 10s^3 - 15s^4 + 6s^5: T. Flash, N. Hogan, 1985.
inline double shortest_duration(const Vector& start, const Vector& target, const Limits& limits) {
  double duration = 0;
  for (std::size_t i = 0; i < start.size(); i++) {
    const double distance = std::abs(target[i] - start[i]);
    if (distance == 0) continue;
    duration = std::max({duration, 15.0 / 8 * distance / (detail::share * limits.velocity[i]),
                         std::sqrt(10 / std::sqrt(3.0) * distance / (detail::share * limits.acceleration[i])),
                         std::cbrt(60 * distance / (detail::share * limits.jerk[i]))});
  }
  return duration;
}

// A move from rest to rest with the least jerk; the last row is exactly `target`. A duration that the limits do not
// allow becomes the shortest they do. @throws std::invalid_argument when it takes longer than 127 s
inline Plan minimum_jerk(const Vector& start, const Vector& target, const Limits& limits, double at_least_s = 0) {
  const double shortest = shortest_duration(start, target, limits);
  const double duration = at_least_s > shortest ? at_least_s : shortest;
  if (!(duration <= detail::longest_s)) throw std::invalid_argument("a move takes at most 127 s");
  const auto [intervals, period_s] = detail::grid(duration);
  Plan plan{{}, period_s};
  for (int k = 0; k < intervals; k++) {
    const double s = static_cast<double>(k) / intervals;
    const double along = s * s * s * (10 + s * (6 * s - 15));
    Vector row;
    for (std::size_t i = 0; i < start.size(); i++) row.push_back(start[i] + along * (target[i] - start[i]));
    plan.rows.push_back(std::move(row));
  }
  plan.rows.push_back(target);
  return plan;
}

// Brings a moving arm to rest, inside of its joint ranges.
inline Plan brake(const Vector& position, const Vector& velocity, const Limits& limits) {
  double duration = 0;
  for (std::size_t i = 0; i < velocity.size(); i++) {
    const double speed = std::abs(velocity[i]);
    if (speed == 0) continue;
    duration = std::max({duration, 1.5 * speed / (detail::share * limits.acceleration[i]),
                         std::sqrt(6 * speed / (detail::share * limits.jerk[i]))});
  }
  const auto [intervals, period_s] = detail::grid(duration);
  Plan plan{{}, period_s};
  for (int k = 0; k <= intervals; k++) {
    const double s = static_cast<double>(k) / intervals;
    // The velocity falls along 1 - 3s^2 + 2s^3.
    const double way = duration * (s - s * s * s + s * s * s * s / 2);
    Vector row;
    for (std::size_t i = 0; i < position.size(); i++)
      row.push_back(std::clamp(position[i] + way * velocity[i], limits.position_min[i], limits.position_max[i]));
    plan.rows.push_back(std::move(row));
  }
  return plan;
}

// --------------------------------------------------------------------------------------------------------- Camera
// RGB, width * height * 3 bytes, rows from the top.
struct Frame {
  int width = 0, height = 0;
  std::vector<std::uint8_t> rgb;
  double captured_ns = 0;  // CLOCK_MONOTONIC
  std::uint32_t sequence = 0;
};

// The newest picture of a camera. Follows by itself when its process is started anew.
class Camera {
 public:
  // @throws SegmentError when there is no such camera
  explicit Camera(std::string name) : name_(std::move(name)) { open(); }

  // Nothing before the first picture.
  std::optional<Frame> read() {
    if (!memory_->current()) open();
    for (int attempt = 0; attempt < 2 * static_cast<int>(layout::CAMERA_SLOTS); attempt++) {
      const std::uint32_t sequence = memory_->word(layout::camera::frame_sequence);
      if (sequence == 0) return std::nullopt;
      const std::size_t base = layout::CAMERA_SLOTS_OFFSET + sequence % layout::CAMERA_SLOTS * slot_bytes_;
      if (memory_->word(base + layout::camera_slot::slot_sequence) != sequence) continue;
      Frame frame;
      frame.width = width_;
      frame.height = height_;
      frame.sequence = sequence;
      frame.captured_ns = memory_->number(base + layout::camera_slot::captured_ns);
      const std::uint8_t* pixels = memory_->bytes() + base + layout::CAMERA_SLOT_HEADER_BYTES;
      frame.rgb.assign(pixels, pixels + 3 * static_cast<std::size_t>(width_) * static_cast<std::size_t>(height_));
      detail::fence();
      if (memory_->word(base + layout::camera_slot::slot_sequence) == sequence) return frame;
    }
    return std::nullopt;
  }

 private:
  void open() {
    // Behind a sandbox the rings lie where they cannot be written.
    const std::string given = detail::environment("MYELIN_CAMERAS");
    const std::string path = (given.empty() ? "/dev/shm" : given) + "/" + layout::CAMERA_SEGMENT_PREFIX + name_;
    auto memory = detail::Memory::open(path, false);
    if (memory == nullptr) {
      if (memory_ != nullptr) return;  // Not back yet: the last picture is still the newest there is.
      throw SegmentError("there is no camera \"" + name_ + "\": start myelin camera first");
    }
    width_ = static_cast<int>(memory->word(layout::camera::width));
    height_ = static_cast<int>(memory->word(layout::camera::height));
    slot_bytes_ = memory->word(layout::camera::slot_bytes);
    const std::size_t pixels = 3 * static_cast<std::size_t>(width_) * static_cast<std::size_t>(height_);
    if (memory->word(layout::camera::magic) != layout::CAMERA_MAGIC ||
        memory->word(layout::camera::version) != layout::CAMERA_LAYOUT_VERSION || slot_bytes_ % 64 != 0 ||
        slot_bytes_ < layout::CAMERA_SLOT_HEADER_BYTES + pixels ||
        memory->size() < layout::CAMERA_SLOTS_OFFSET + layout::CAMERA_SLOTS * slot_bytes_)
      throw SegmentError("\"" + path + "\" is no camera ring of this layout");
    memory_ = std::move(memory);
  }

  std::string name_;
  std::shared_ptr<detail::Memory> memory_;
  int width_ = 0, height_ = 0;
  std::size_t slot_bytes_ = 0;
};

// ------------------------------------------------------------------------------------------------------------ Arm
// All of one control tick.
struct ArmState {
  std::string state;  // IDLE, RUNNING, PAUSED, RESETTING, EMERGENCY_STOP, DAMPING
  std::uint32_t errors = 0;
  double tick = 0, time_ns = 0;
  Vector position, velocity, torque, commanded_position, commanded_velocity, motor_temperature_c;
  std::uint32_t chunk = 0;
  std::uint32_t hold_reason = 0;
  std::string hold;  // why the arm holds; empty when it does not
  std::uint32_t limits_hit = 0;

  bool moving() const {
    return std::any_of(commanded_velocity.begin(), commanded_velocity.end(), [](double v) { return std::abs(v) > 1e-3; });
  }
};

class Arm {
 public:
  // name: the segment; by default the one that Myelin gives this project, else "arx5_control". Waits for it.
  // idle_s: the lease is given back when nothing was asked of the arm for so long.
  // @throws SegmentError, LeaseHeld
  explicit Arm(const std::string& name = "", double wait_s = 5, double idle_s = 10) : name_(name), idle_s_(idle_s) {
    const std::string project = detail::environment("MYELIN_PROJECT");
    const std::string given = detail::environment("MYELIN_SEGMENT");
    if (name_.empty() && given.empty() && !project.empty()) {
      const std::string why = detail::environment("MYELIN_ARM_REFUSED");
      throw LeaseHeld("project " + project + " may not drive the arm: " + (why.empty() ? "it was given none" : why));
    }
    if (name_.empty()) name_ = given.empty() ? layout::DEFAULT_ARM_SEGMENT : given;
    for (const double deadline = detail::monotonic_ns() + wait_s * 1e9;;) {
      try {
        attach();
        break;
      } catch (const SegmentError&) {
        if (detail::monotonic_ns() > deadline) throw;
        detail::pause_ms(50);
      }
    }
    keeper_ = std::thread([this] { keep(); });
  }
  Arm(const Arm&) = delete;
  Arm& operator=(const Arm&) = delete;
  ~Arm() {
    release();
    {
      const std::lock_guard<std::recursive_mutex> lock(mutex_);
      closed_ = true;
    }
    wake_.notify_all();
    keeper_.join();
  }

  std::size_t dof() const { return dof_; }
  const Limits& limits() const { return limits_; }

  // The state of one whole control tick. @throws SegmentError
  ArmState state() {
    const std::lock_guard<std::recursive_mutex> lock(mutex_);
    attach();
    used_ns_ = detail::monotonic_ns();
    for (int attempt = 0; attempt < 10000; attempt++) {
      const std::uint32_t before = memory_->word(layout::state_sequence);
      if (before % 2 != 0) continue;
      ArmState state = copy_state();
      detail::fence();
      if (memory_->word(layout::state_sequence) == before) return state;
    }
    throw SegmentError("the control process stopped in the middle of writing its state");
  }

  // Asks for RUNNING and waits for it. Takes the lease if nobody has it. @throws ArmHolds when it is refused
  void start(double timeout_s = 3) {
    {
      const std::lock_guard<std::recursive_mutex> lock(mutex_);
      attach();
      if (holder().empty()) command();
    }
    ask(0, "START", "RUNNING", timeout_s);
  }
  // Asks the arm to hold where it is, and waits for it. Only start() lets it move again.
  void pause(double timeout_s = 3) { ask(1, "PAUSE", "PAUSED", timeout_s); }
  // Asks the arm to move home, and waits until it is there. Only start() lets it move again.
  void reset(double timeout_s = 60) { ask(2, "RESET", "IDLE", timeout_s); }
  // Stops the arm for good: it comes to rest, goes limp, and the control process ends. Does not wait.
  void stop() { request(3); }

  // Moves smoothly to `joints` (one more number is the gripper's opening), in at least `duration_s`, and waits until
  // there. Returns how long the move was planned to take, s. @throws ArmHolds, ArmStopped, LeaseHeld, LeaseLost,
  // Interrupted, SegmentError, std::invalid_argument for joints out of range
  double move_to(const Vector& joints, double duration_s = 0) {
    command();
    const ArmState state = at_rest();
    const Vector wanted = target(joints, state);
    const Plan plan = minimum_jerk(state.commanded_position, wanted, limits_, duration_s);
    watch(publish(plan.rows, plan.period_s), plan.seconds(), &wanted);
    return plan.seconds();
  }

  // Opens or closes the gripper, m, and waits. Returns the opening it came to: what stands in its way is held.
  double gripper(double opening_m, double duration_s = 0) {
    command();
    Vector joints = at_rest().commanded_position;
    joints.back() = opening_m;
    move_to(joints, duration_s);
    return state().position.back();
  }

  // Lets the arm go along `rows` (of all joints, or without the gripper), `dt` s apart, from now on, in place of what
  // it did. Returns the number of the chunk at once; wait() waits for its end.
  std::uint32_t send_chunk(std::vector<Vector> rows, double dt) {
    command();
    const ArmState state = running();
    for (Vector& row : rows)
      if (row.size() == dof_ - 1) row.push_back(state.commanded_position.back());
    return publish(rows, dt);
  }

  // Waits until the chunk of that number, which takes `seconds`, is over. @throws as move_to() does
  void wait(std::uint32_t chunk, double seconds) { watch(chunk, seconds, nullptr); }

  // Lets the arm come to rest where it is. Does nothing when this process does not move it. From any thread.
  void hold() {
    {
      const std::lock_guard<std::recursive_mutex> lock(mutex_);
      if (!held() || !calm()) return;
    }
    for (const double deadline = detail::monotonic_ns() + 2e9; detail::monotonic_ns() < deadline; detail::pause_ms(5)) {
      const ArmState now = state();
      if (now.state != "RUNNING" || !now.moving()) return;
    }
    throw ArmHolds("the arm did not come to rest");
  }

  // Becomes the commander. In a project everyone sees it as "project NAME". @throws LeaseHeld
  void take_lease(const std::string& name = "a C++ program") {
    const std::lock_guard<std::recursive_mutex> lock(mutex_);
    attach();
    used_ns_ = detail::monotonic_ns();
    const std::string project = detail::environment("MYELIN_PROJECT");
    memory_->exclusively([&] {
      const std::uint32_t before = memory_->word(layout::lease_owner);
      const std::string other = holder();
      if (!other.empty()) throw LeaseHeld("the arm is commanded by " + other + "; wait until it ends, or end it");
      if (!memory_->exchange(layout::lease_owner, before, id_))
        throw LeaseHeld("another process is taking the lease at this moment; try again");
      memory_->number(layout::lease_heartbeat_ns, detail::monotonic_ns());
      const double timeout_s = memory_->number(layout::command_timeout_s);
      memory_->number(layout::hold_timeout_s, timeout_s > 0 ? timeout_s : 0.2);
      memory_->text(layout::lease_name, 64, project.empty() ? name : "project " + project);
    });
    beat();
  }

  // Lets the arm come to rest and gives the lease back.
  void release() {
    const std::lock_guard<std::recursive_mutex> lock(mutex_);
    if (!held()) return;
    calm(true);
    memory_->exclusively([&] { memory_->exchange(layout::lease_owner, id_, 0); });
  }

 private:
  bool held() const { return memory_->word(layout::lease_owner) == id_; }

  // Who else commands, in words; empty when nobody does.
  std::string holder() const {
    const std::uint32_t owner = memory_->word(layout::lease_owner);
    const double timeout_s = memory_->number(layout::watchdog_timeout_s);
    const double limit_ns = (timeout_s > 0 ? timeout_s : 1) * 1e9;
    const double age_ns = detail::monotonic_ns() - memory_->number(layout::lease_heartbeat_ns);
    if (owner == 0 || owner == id_ || age_ns >= limit_ns || age_ns < -limit_ns) return "";
    const bool is_process = owner < detail::no_process;
    const std::string folder = "/proc/" + std::to_string(owner);
    if (is_process && detail::same_numbers(*memory_) && ::access(folder.c_str(), F_OK) != 0) return "";
    const std::string name = memory_->text(layout::lease_name, 64);
    return is_process ? name + " (process " + std::to_string(owner) + ")" : name.empty() ? "another process" : name;
  }

  void beat() {
    if (!held()) {
      const std::string other = holder();
      throw LeaseLost("the lease was lost to " + (other.empty() ? "nobody: it was given back" : other));
    }
    memory_->number(layout::lease_heartbeat_ns, detail::monotonic_ns());
    memory_->number(layout::inference_timestamp_s, detail::unix_s());
  }

  // Gives heartbeats as long as this process runs and somebody uses the arm.
  void keep() {
    std::unique_lock<std::recursive_mutex> lock(mutex_);
    while (!closed_) {
      wake_.wait_for(lock, std::chrono::milliseconds(40));
      if (closed_ || !held()) continue;
      try {
        if (detail::monotonic_ns() - used_ns_ > idle_s_ * 1e9)
          release();
        else
          beat();
      } catch (const ArmError&) {
        continue;  // Lost at this moment; the next command says to whom.
      }
    }
  }

  // Opens the segment, and the newer one that has taken its place when the control process was started anew.
  void attach() {
    if (memory_ != nullptr && memory_->current()) return;
    auto memory = detail::Memory::open("/dev/shm/" + name_, true);
    if (memory == nullptr)
      throw SegmentError(memory_ == nullptr ? "there is no segment \"" + name_ + "\": start myelin control first"
                                            : "the control process of \"" + name_ + "\" is gone: start myelin control again");
    if (memory->size() < layout::ARM_SEGMENT_BYTES || memory->word(layout::magic) != layout::ARM_MAGIC)
      throw SegmentError("\"" + name_ + "\" is not an arm segment");
    if (memory->word(layout::version) != layout::ARM_LAYOUT_VERSION)
      throw SegmentError("\"" + name_ + "\" has layout " + std::to_string(memory->word(layout::version)) +
                         ", this header speaks " + std::to_string(layout::ARM_LAYOUT_VERSION));
    memory_ = std::move(memory);
    id_ = detail::commander_id(*memory_);
    dof_ = std::min<std::size_t>(memory_->word(layout::dof), layout::MAX_DOF);
    const auto vector = [&](std::size_t at) { return memory_->numbers(at, dof_); };
    limits_ = {vector(layout::position_min),     vector(layout::position_max), vector(layout::velocity_max),
               vector(layout::acceleration_max), vector(layout::jerk_max),     vector(layout::home)};
  }

  ArmState copy_state() const {
    static const char* const states[] = {"IDLE", "RUNNING", "PAUSED", "RESETTING", "EMERGENCY_STOP", "DAMPING"};
    static const char* const holds[] = {"",       "no fresh action", "watchdog",   "paused",
                                        "chunk refused", "collision",       "no feedback"};
    const auto vector = [&](std::size_t at) { return memory_->numbers(at, dof_); };
    ArmState state;
    const std::uint32_t code = memory_->word(layout::control_state);
    state.state = code < 6 ? states[code] : std::to_string(code);
    state.errors = memory_->word(layout::errors);
    state.tick = memory_->number(layout::tick);
    state.time_ns = memory_->number(layout::tick_ns);
    state.position = vector(layout::position);
    state.velocity = vector(layout::velocity);
    state.torque = vector(layout::torque);
    state.commanded_position = vector(layout::commanded_position);
    state.commanded_velocity = vector(layout::commanded_velocity);
    state.motor_temperature_c = vector(layout::motor_temperature_c);
    state.chunk = memory_->word(layout::chunk_sequence_active);
    state.hold_reason = memory_->word(layout::hold_reason);
    state.hold = state.hold_reason < 7 ? holds[state.hold_reason] : "reason " + std::to_string(state.hold_reason);
    state.limits_hit = memory_->word(layout::limits_hit);
    return state;
  }

  // Makes sure of the segment, of a control process that lives, and of the lease.
  void command() {
    const std::lock_guard<std::recursive_mutex> lock(mutex_);
    attach();
    used_ns_ = detail::monotonic_ns();
    if (used_ns_ - memory_->number(layout::tick_ns) > 1e9)
      throw SegmentError("the control process of \"" + name_ + "\" is silent");
    if (!held()) take_lease();
  }

  ArmState running() {
    ArmState now = state();
    if (now.state == "EMERGENCY_STOP" || now.state == "DAMPING")
      throw ArmStopped("the arm was stopped: start myelin control again");
    if (now.state != "RUNNING") throw ArmHolds("the arm is " + now.state + ": call start() first");
    return now;
  }

  ArmState at_rest() {
    ArmState now = running();
    if (!now.moving()) return now;
    hold();
    return running();
  }

  Vector target(const Vector& joints, const ArmState& state) const {
    Vector wanted = joints;
    if (wanted.size() == dof_ - 1) wanted.push_back(state.commanded_position.back());
    if (wanted.size() != dof_)
      throw std::invalid_argument(std::to_string(joints.size()) + " numbers for " + std::to_string(dof_ - 1) +
                                  " joints (and the gripper)");
    for (std::size_t i = 0; i < dof_; i++) {
      const double low = limits_.position_min[i], high = limits_.position_max[i];
      // A joint that was found outside of its range may stay where it is.
      if ((wanted[i] >= low && wanted[i] <= high) || std::abs(wanted[i] - state.commanded_position[i]) <= 1e-4) continue;
      throw std::invalid_argument((i + 1 == dof_ ? "the gripper" : "joint " + std::to_string(i + 1)) + " is to go to " +
                                  detail::number_text(wanted[i]) + ", but can go from " + detail::number_text(low) +
                                  " to " + detail::number_text(high));
    }
    return wanted;
  }

  std::uint32_t publish(const std::vector<Vector>& rows, double period_s) {
    if (rows.empty() || rows.size() > layout::MAX_CHUNK_ROWS)
      throw std::invalid_argument("a chunk has 1 to " + std::to_string(layout::MAX_CHUNK_ROWS) + " rows");
    for (const Vector& row : rows)
      if (row.size() != dof_) throw std::invalid_argument("a row has " + std::to_string(dof_) + " numbers");
    const std::lock_guard<std::recursive_mutex> lock(mutex_);
    used_ns_ = detail::monotonic_ns();
    beat();
    const std::uint32_t sequence = std::max(memory_->word(layout::chunk_sequence) + 1, 1u);
    namespace slot = layout::chunk_slot;
    const std::size_t base = layout::CHUNK_SLOTS_OFFSET + sequence % layout::CHUNK_SLOTS * layout::CHUNK_SLOT_BYTES;
    memory_->word(base + slot::slot_sequence, 0);
    detail::fence();
    memory_->word(base + slot::rows, static_cast<std::uint32_t>(rows.size()));
    memory_->word(base + slot::dof, static_cast<std::uint32_t>(dof_));
    memory_->word(base + slot::source, id_);
    memory_->number(base + slot::start_ns, used_ns_);
    memory_->number(base + slot::step_period_s, period_s);
    memory_->number(base + slot::observed_ns, used_ns_);
    memory_->number(base + slot::timestep, 0);
    std::size_t at = base + slot::actions;
    for (const Vector& row : rows)
      for (const double value : row) {
        memory_->number(at, value);
        at += 8;
      }
    std::uint32_t sum = sequence;
    for (std::size_t word = base + 4; word < base + slot::checksum; word += 4) sum += memory_->word(word);
    for (std::size_t word = base + slot::actions; word < at; word += 4) sum += memory_->word(word);
    memory_->word(base + slot::checksum, sum);
    memory_->word(base + slot::slot_sequence, sequence);
    memory_->word(layout::chunk_sequence, sequence);
    return sequence;
  }

  // Publishes what brings a RUNNING arm to rest. False when there is nothing to calm.
  bool calm(bool only_busy = false) {
    try {
      const ArmState now = state();
      const bool busy = now.chunk != 0 || now.moving();
      if (now.state != "RUNNING" || (only_busy && !busy)) return false;
      const Plan plan = brake(now.commanded_position, now.commanded_velocity, limits_);
      publish(plan.rows, plan.period_s);
      return true;
    } catch (const ArmError&) {
      return false;  // It is gone or somebody else's, and holds without us.
    }
  }

  void watch(std::uint32_t chunk, double seconds, const Vector* target) {
    try {
      follow(chunk, seconds, target);
    } catch (const Interrupted&) {
      throw;  // What took its place is to go on.
    } catch (...) {
      // After anything else nothing is to go on by itself later.
      const std::lock_guard<std::recursive_mutex> lock(mutex_);
      if (held()) calm();
      throw;
    }
  }

  void follow(std::uint32_t chunk, double seconds, const Vector* target) {
    const double started_ns = detail::monotonic_ns();
    bool taken = false, gripped = false;
    for (;;) {
      detail::pause_ms(5);
      const double elapsed_s = (detail::monotonic_ns() - started_ns) / 1e9;
      std::uint32_t newest;
      double period_s;
      {
        const std::lock_guard<std::recursive_mutex> lock(mutex_);
        attach();
        if (!held()) beat();
        newest = memory_->word(layout::chunk_sequence);
        period_s = 1 / memory_->number(layout::control_frequency_hz);
      }
      const ArmState now = running();
      if (detail::monotonic_ns() - now.time_ns > 1e9) throw SegmentError("the control process is gone");
      if (newest != chunk) throw Interrupted("another command took the place of this one");
      taken = taken || now.chunk == chunk;
      gripped = gripped || (now.limits_hit & gripper_limit) != 0;
      if (!taken) {
        if (elapsed_s > 0.5) throw ArmHolds("the arm did not take the chunk up: " + now.hold);
        continue;
      }
      const bool over = elapsed_s >= seconds;
      if (over && !now.moving() && (target == nullptr || arrived(now, *target, gripped, period_s))) return;
      if (now.hold_reason == collision) throw ArmHolds("the arm holds: the way leads into the table or the arm itself");
      if (now.hold_reason != 0 && now.hold_reason != no_feedback && !(over && now.hold_reason == no_fresh_action))
        throw ArmHolds("the arm holds: " + now.hold);
      if (elapsed_s > seconds + 2) throw ArmHolds("the arm did not arrive");
    }
  }

  bool arrived(const ArmState& now, const Vector& target, bool gripped, double period_s) const {
    for (std::size_t i = 0; i < dof_; i++) {
      // At the edge of its range a joint stops a little earlier.
      const double span = limits_.position_max[i] - limits_.position_min[i];
      const double margin = 2 * (1e-6 * span + limits_.jerk[i] * period_s * period_s * period_s);
      if (std::abs(now.commanded_position[i] - target[i]) > 1e-4 + margin && !(gripped && i + 1 == dof_)) return false;
    }
    return true;
  }

  void request(std::size_t index) {
    const std::lock_guard<std::recursive_mutex> lock(mutex_);
    attach();
    used_ns_ = detail::monotonic_ns();
    memory_->word(layout::request_flags + 4 * index, 1);
  }

  void ask(std::size_t index, const std::string& name, const std::string& wanted, double timeout_s) {
    const auto count = [&](std::size_t at) {
      const std::lock_guard<std::recursive_mutex> lock(mutex_);
      attach();
      return memory_->word(at + 4 * index);
    };
    const std::uint32_t handled = count(layout::requests_handled), refused = count(layout::requests_refused);
    request(index);
    for (const double deadline = detail::monotonic_ns() + timeout_s * 1e9;; detail::pause_ms(5)) {
      const ArmState now = state();
      if (now.state == wanted && (name != "RESET" || count(layout::requests_handled) != handled)) return;
      if (count(layout::requests_refused) != refused && now.state != wanted)
        throw ArmHolds(name + " was refused: the arm is " + now.state);
      if (detail::monotonic_ns() > deadline) throw ArmHolds("the arm is " + now.state + ", not " + wanted + ", after " + name);
    }
  }

  static constexpr std::uint32_t gripper_limit = 64, no_fresh_action = 1, collision = 5, no_feedback = 6;

  std::string name_;
  double idle_s_;
  std::recursive_mutex mutex_;
  std::condition_variable_any wake_;
  bool closed_ = false;
  std::shared_ptr<detail::Memory> memory_;
  std::uint32_t id_ = 0;
  std::size_t dof_ = 0;
  Limits limits_;
  double used_ns_ = detail::monotonic_ns();
  std::thread keeper_;
};

}  // namespace myelin
