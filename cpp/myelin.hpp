// Myelin for C++ projects: one header, C++17, nothing but the standard library and POSIX.
//
//   #include "myelin.hpp"
//
//   int main() {
//     myelin::on("arm.wave", [](const myelin::Json& args) -> myelin::Json {
//       const double seconds = args["seconds"].number(1.0);
//       myelin::push("waved", {{"seconds", seconds}});
//       return {{"status", "success"}};
//     });
//     myelin::on("arm.stop", [](const myelin::Json&) -> myelin::Json { return nullptr; });  // when the client goes
//     return myelin::run();
//   }
//
// Calls run one after the other on the thread that called run(). A stop runs on a thread of its own, while a call may
// still be running. An exception becomes a failed call with its type and what(). Everything the program prints is its
// log. The messages are described in docs/protocols/remote.md.
#pragma once

#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <condition_variable>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cxxabi.h>
#include <deque>
#include <exception>
#include <functional>
#include <initializer_list>
#include <iostream>
#include <map>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <typeinfo>
#include <utility>
#include <vector>

namespace myelin {

// ---------------------------------------------------------------------------------------------------------- Json
// A value of JSON. Objects keep their keys sorted; numbers are doubles, whole ones are written without a point.
class Json {
 public:
  using Array = std::vector<Json>;
  using Object = std::map<std::string, Json>;
  enum class Kind { null, boolean, number, string, array, object };

  Json() = default;
  Json(std::nullptr_t) {}
  Json(bool value) : kind_(Kind::boolean), boolean_(value) {}
  Json(double value) : kind_(Kind::number), number_(value) {}
  Json(int value) : Json(static_cast<double>(value)) {}
  Json(unsigned value) : Json(static_cast<double>(value)) {}
  Json(long value) : Json(static_cast<double>(value)) {}
  Json(unsigned long value) : Json(static_cast<double>(value)) {}
  Json(long long value) : Json(static_cast<double>(value)) {}
  Json(unsigned long long value) : Json(static_cast<double>(value)) {}
  Json(const char* value) : Json(std::string(value)) {}
  Json(std::string value) : kind_(Kind::string), string_(std::move(value)) {}
  Json(Array value) : kind_(Kind::array), array_(std::move(value)) {}
  Json(Object value) : kind_(Kind::object), object_(std::move(value)) {}
  // {{"key", value}, ...}
  Json(std::initializer_list<std::pair<const std::string, Json>> value) : Json(Object(value)) {}
  template <class T>
  Json(const std::vector<T>& value) : kind_(Kind::array), array_(value.begin(), value.end()) {}

  Kind kind() const { return kind_; }
  bool is_null() const { return kind_ == Kind::null; }
  bool is_number() const { return kind_ == Kind::number; }
  bool is_string() const { return kind_ == Kind::string; }
  bool is_array() const { return kind_ == Kind::array; }
  bool is_object() const { return kind_ == Kind::object; }

  // The value, or `otherwise` when it is of another kind.
  bool boolean(bool otherwise = false) const { return kind_ == Kind::boolean ? boolean_ : otherwise; }
  double number(double otherwise = 0) const { return kind_ == Kind::number ? number_ : otherwise; }
  std::string string(std::string otherwise = {}) const { return kind_ == Kind::string ? string_ : otherwise; }
  const Array& array() const { return array_; }
  const Object& object() const { return object_; }

  // Member or element; null when there is none.
  const Json& operator[](const std::string& key) const {
    const auto found = object_.find(key);
    return found == object_.end() ? null_value() : found->second;
  }
  const Json& operator[](const char* key) const { return (*this)[std::string(key)]; }
  const Json& operator[](std::size_t index) const { return index < array_.size() ? array_[index] : null_value(); }
  const Json& operator[](int index) const { return (*this)[static_cast<std::size_t>(index)]; }
  // Makes this an object and sets a member of it.
  Json& set(const std::string& key, Json value) {
    if (kind_ != Kind::object) *this = Json(Object{});
    object_[key] = std::move(value);
    return *this;
  }
  void push_back(Json value) {
    if (kind_ != Kind::array) *this = Json(Array{});
    array_.push_back(std::move(value));
  }

  // One line of text. NaN and infinities become null; text that is not UTF-8 gets replacement characters.
  std::string dump() const {
    std::string out;
    write(out, 0);
    return out;
  }
  // @throws std::invalid_argument when the text is not JSON.
  static Json parse(const std::string& text);

 private:
  static constexpr int deepest = 200;
  static const Json& null_value() {
    static const Json value;
    return value;
  }
  void write(std::string& out, int depth) const {
    if (depth > deepest) throw std::invalid_argument("JSON nested too deeply");
    switch (kind_) {
      case Kind::null: out += "null"; break;
      case Kind::boolean: out += boolean_ ? "true" : "false"; break;
      case Kind::number: write_number(out); break;
      case Kind::string: write_string(out, string_); break;
      case Kind::array: {
        out += '[';
        for (std::size_t i = 0; i < array_.size(); i++) {
          if (i > 0) out += ',';
          array_[i].write(out, depth + 1);
        }
        out += ']';
        break;
      }
      case Kind::object: {
        out += '{';
        bool first = true;
        for (const auto& [key, value] : object_) {
          if (!first) out += ',';
          first = false;
          write_string(out, key);
          out += ':';
          value.write(out, depth + 1);
        }
        out += '}';
        break;
      }
    }
  }
  void write_number(std::string& out) const {
    if (!std::isfinite(number_)) {
      out += "null";
      return;
    }
    char text[40];
    const bool whole = number_ == std::floor(number_) && std::fabs(number_) < 9007199254740992.0;
    if (whole) {
      std::snprintf(text, sizeof text, "%lld", static_cast<long long>(number_));
    } else {
      std::snprintf(text, sizeof text, "%.17g", number_);
      for (char* c = text; *c != 0; c++)
        if (*c == ',') *c = '.';  // Some locales write a comma.
    }
    out += text;
  }
  static void write_string(std::string& out, const std::string& text) {
    out += '"';
    for (std::size_t i = 0; i < text.size();) {
      const auto byte = static_cast<unsigned char>(text[i]);
      if (byte == '"' || byte == '\\') {
        out += '\\';
        out += text[i++];
      } else if (byte < 0x20) {
        char escape[8];
        std::snprintf(escape, sizeof escape, "\\u%04x", byte);
        out += escape;
        i++;
      } else if (byte < 0x80) {
        out += text[i++];
      } else {
        const std::size_t length = utf8_length(text, i);
        if (length == 0) {
          out += "\xEF\xBF\xBD";
          i++;
        } else {
          out.append(text, i, length);
          i += length;
        }
      }
    }
    out += '"';
  }
  // Bytes of the well-formed character at `i`, 0 when there is none.
  static std::size_t utf8_length(const std::string& text, std::size_t i) {
    const auto at = [&](std::size_t k) { return k < text.size() ? static_cast<unsigned char>(text[k]) : 0u; };
    const unsigned lead = at(i);
    const std::size_t length = lead >= 0xF0 && lead < 0xF5 ? 4 : lead >= 0xE0 && lead < 0xF0 ? 3 : lead >= 0xC2 && lead < 0xE0 ? 2 : 0;
    for (std::size_t k = 1; k < length; k++)
      if ((at(i + k) & 0xC0) != 0x80) return 0;
    if (length == 3 && ((lead == 0xE0 && at(i + 1) < 0xA0) || (lead == 0xED && at(i + 1) > 0x9F))) return 0;
    if (length == 4 && ((lead == 0xF0 && at(i + 1) < 0x90) || (lead == 0xF4 && at(i + 1) > 0x8F))) return 0;
    return length;
  }

  class Parser;
  Kind kind_ = Kind::null;
  bool boolean_ = false;
  double number_ = 0;
  std::string string_;
  Array array_;
  Object object_;
};

class Json::Parser {
 public:
  explicit Parser(const std::string& text) : text_(text) {}
  Json whole() {
    Json value = any(0);
    space();
    if (at_ != text_.size()) fail("something follows the value");
    return value;
  }

 private:
  [[noreturn]] void fail(const char* why) const {
    throw std::invalid_argument("not JSON: " + std::string(why) + " (character " + std::to_string(at_) + ")");
  }
  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  void space() {
    while (peek() == ' ' || peek() == '\t' || peek() == '\n' || peek() == '\r') at_++;
  }
  void expect(char wanted, const char* why) {
    space();
    if (peek() != wanted) fail(why);
    at_++;
  }
  Json word(const char* name, Json value) {
    const std::string text(name);
    if (text_.compare(at_, text.size(), text) != 0) fail("a value is expected");
    at_ += text.size();
    return value;
  }
  Json any(int depth) {
    if (depth > Json::deepest) fail("nested too deeply");
    space();
    switch (peek()) {
      case '{': return object(depth);
      case '[': return array(depth);
      case '"': return Json(text());
      case 't': return word("true", true);
      case 'f': return word("false", false);
      case 'n': return word("null", nullptr);
      default: return number();
    }
  }
  Json object(int depth) {
    Json::Object members;
    at_++;
    for (space(); peek() != '}'; space()) {
      if (!members.empty()) expect(',', "a comma or } is expected");
      space();
      if (peek() != '"') fail("a key is expected");
      std::string key = text();
      expect(':', "a colon is expected");
      members[std::move(key)] = any(depth + 1);
    }
    at_++;
    return Json(std::move(members));
  }
  Json array(int depth) {
    Json::Array elements;
    at_++;
    for (space(); peek() != ']'; space()) {
      if (!elements.empty()) expect(',', "a comma or ] is expected");
      elements.push_back(any(depth + 1));
    }
    at_++;
    return Json(std::move(elements));
  }
  Json number() {
    const std::size_t start = at_;
    if (peek() == '-') at_++;
    if (peek() < '0' || peek() > '9') fail("a value is expected");
    while ((peek() >= '0' && peek() <= '9') || peek() == '.' || peek() == 'e' || peek() == 'E' || peek() == '+' || peek() == '-') at_++;
    const std::string digits = text_.substr(start, at_ - start);
    char* end = nullptr;
    const double value = std::strtod(digits.c_str(), &end);
    if (*end != '\0') fail("a number is expected");
    return Json(value);
  }
  unsigned four_digits() {
    unsigned value = 0;
    for (int i = 0; i < 4; i++, at_++) {
      const char c = peek();
      const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
      if (digit < 0) fail("four hexadecimal digits are expected");
      value = value * 16 + static_cast<unsigned>(digit);
    }
    return value;
  }
  static void append(std::string& out, unsigned code) {
    if (code < 0x80) {
      out += static_cast<char>(code);
    } else if (code < 0x800) {
      out += static_cast<char>(0xC0 | (code >> 6));
      out += static_cast<char>(0x80 | (code & 0x3F));
    } else if (code < 0x10000) {
      out += static_cast<char>(0xE0 | (code >> 12));
      out += static_cast<char>(0x80 | ((code >> 6) & 0x3F));
      out += static_cast<char>(0x80 | (code & 0x3F));
    } else {
      out += static_cast<char>(0xF0 | (code >> 18));
      out += static_cast<char>(0x80 | ((code >> 12) & 0x3F));
      out += static_cast<char>(0x80 | ((code >> 6) & 0x3F));
      out += static_cast<char>(0x80 | (code & 0x3F));
    }
  }
  void escaped(std::string& out) {
    const char c = peek();
    at_++;
    switch (c) {
      case 'b': out += '\b'; break;
      case 'f': out += '\f'; break;
      case 'n': out += '\n'; break;
      case 'r': out += '\r'; break;
      case 't': out += '\t'; break;
      case 'u': {
        unsigned code = four_digits();
        if (code >= 0xD800 && code < 0xDC00 && text_.compare(at_, 2, "\\u") == 0) {
          at_ += 2;
          const unsigned low = four_digits();
          code = low >= 0xDC00 && low < 0xE000 ? 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00) : 0xFFFD;
        } else if (code >= 0xD800 && code < 0xE000) {
          code = 0xFFFD;  // Half a character.
        }
        append(out, code);
        break;
      }
      default:
        if (c != '"' && c != '\\' && c != '/') fail("unknown escape");
        out += c;
    }
  }
  std::string text() {
    std::string out;
    for (at_++; peek() != '"';) {
      if (at_ >= text_.size()) fail("the text does not end");
      if (peek() == '\\') {
        at_++;
        escaped(out);
      } else {
        out += text_[at_++];
      }
    }
    at_++;
    return out;
  }

  const std::string& text_;
  std::size_t at_ = 0;
};

inline Json Json::parse(const std::string& text) { return Parser(text).whole(); }

// -------------------------------------------------------------------------------------------------------- Runner
using Method = std::function<Json(const Json& args)>;

namespace detail {

constexpr std::size_t most_bytes = 8 * 1024 * 1024;

struct State {
  std::map<std::string, Method> methods;
  std::mutex write_mutex;
  std::mutex queue_mutex;
  std::condition_variable arrived;
  std::deque<Json> queue;
};

// Never destroyed: threads of the project may push until the process is gone.
inline State& state() {
  static State* value = new State;
  return *value;
}

inline void send(const Json& message) {
  // The line break in front ends what the program may have printed without one.
  const std::string line = "\n" + message.dump() + "\n";
  if (line.size() > most_bytes)
    throw std::length_error("the message has " + std::to_string(line.size()) + " bytes of JSON; the most is " + std::to_string(most_bytes));
  const std::lock_guard<std::mutex> lock(state().write_mutex);
  std::cout.flush();
  std::fflush(stdout);
  for (std::size_t sent = 0; sent < line.size();) {
    const ssize_t count = ::write(STDOUT_FILENO, line.data() + sent, line.size() - sent);
    if (count < 0 && errno != EINTR) std::_Exit(0);  // The worker is gone.
    if (count > 0) sent += static_cast<std::size_t>(count);
  }
}

inline std::string type_name(const std::type_info& type) {
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> name(abi::__cxa_demangle(type.name(), nullptr, nullptr, &status), std::free);
  return status == 0 ? name.get() : type.name();
}

inline Json failure(const std::string& type, const std::string& text) {
  return {{"type", type}, {"message", text}, {"traceback", ""}};
}

// Runs something of the project and sends what came of it.
inline void answer(const Json& id, const std::function<Json()>& work) {
  Json error;
  try {
    send({{"type", "result"}, {"id", id}, {"value", work()}});
    return;
  } catch (const std::exception& thrown) {
    error = failure(type_name(typeid(thrown)), thrown.what());
  } catch (...) {
    error = failure("unknown", "something that is not a std::exception was thrown");
  }
  send({{"type", "error"}, {"id", id}, {"error", error}});
}

inline std::pair<std::string, std::string> split(const std::string& name) {
  const std::size_t dot = name.find('.');
  if (dot == std::string::npos) return {"", name};
  return {name.substr(0, dot), name.substr(dot + 1)};
}

inline void ready() {
  Json::Object objects;
  Json functions{Json::Array{}};
  for (const auto& [name, method] : state().methods) {
    const auto [object, last] = split(name);
    if (object.empty())
      functions.push_back(last);
    else
      objects[object].push_back(last);
  }
  send({{"type", "ready"}, {"objects", objects}, {"functions", functions}, {"ahead", true}});
}

inline void call(const Json& message) {
  const std::string object = message["object"].string();
  const std::string name = (object.empty() ? "" : object + ".") + message["method"].string();
  const auto found = state().methods.find(name);
  if (found == state().methods.end()) {
    std::string known;
    for (const auto& [other, method] : state().methods) known += (known.empty() ? "" : ", ") + other;
    send({{"type", "error"}, {"id", message["id"]}, {"unknown", (object.empty() ? "function " : "method ") + name}, {"known", known}});
    return;
  }
  answer(message["id"], [&] { return found->second(message["args"]); });
}

// Every `X.stop`, else `stop`.
inline Json stop_all() {
  Json called{Json::Array{}};
  Json failed{Json::Array{}};
  std::vector<std::string> names;
  for (const auto& [name, method] : state().methods)
    if (split(name).second == "stop" && name != "stop") names.push_back(name);
  if (names.empty() && state().methods.count("stop") > 0) names.push_back("stop");
  for (const auto& name : names) {
    called.push_back(name);
    try {
      state().methods.at(name)(Json(Json::Object{}));
    } catch (const std::exception& thrown) {
      failed.push_back(failure(type_name(typeid(thrown)), thrown.what()).set("name", name));
    } catch (...) {
      failed.push_back(failure("unknown", "something that is not a std::exception was thrown").set("name", name));
    }
  }
  return {{"called", called}, {"failed", failed}};
}

inline void read() {
  std::string line;
  while (std::getline(std::cin, line)) {
    Json message;
    try {
      message = Json::parse(line);
    } catch (const std::invalid_argument& error) {
      std::cerr << "myelin: a message was dropped: " << error.what() << std::endl;
      continue;
    }
    if (message["type"].string() == "stop") {
      const Json id = message["id"];
      std::thread([id] { answer(id, stop_all); }).detach();
      continue;
    }
    const std::lock_guard<std::mutex> lock(state().queue_mutex);
    // Calls that were sent ahead of a close are not begun any more.
    if (message["type"].string() == "close") state().queue.clear();
    state().queue.push_back(std::move(message));
    state().arrived.notify_one();
  }
  std::_Exit(0);  // The worker is gone. Nobody would hear what the project still does.
}

}  // namespace detail

// Offers a method: "Object.method", or "function" for one that is called with no object. Before run().
inline void on(const std::string& name, Method method) { detail::state().methods[name] = std::move(method); }

// Sends an event to every client. May be called from any thread.
inline void push(const std::string& event, const Json& data = nullptr) {
  if (event.empty() || event.size() > 200 || event == "callback")
    throw std::invalid_argument("an event has a name of 1 to 200 characters that is not \"callback\"");
  detail::send({{"type", "push"}, {"event", event}, {"data", data}});
}

// Serves calls until the worker closes the project; then returns 0.
inline int run() {
  detail::ready();
  std::thread(detail::read).detach();
  for (;;) {
    Json message;
    {
      std::unique_lock<std::mutex> lock(detail::state().queue_mutex);
      detail::state().arrived.wait(lock, [] { return !detail::state().queue.empty(); });
      message = std::move(detail::state().queue.front());
      detail::state().queue.pop_front();
    }
    if (message["type"].string() == "close") return 0;
    if (message["type"].string() == "call") detail::call(message);
  }
}

}  // namespace myelin
