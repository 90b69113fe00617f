// A project for `myelin project push`: build it with
//   g++ -std=c++17 -O2 -pthread -I cpp examples/projects/cpp/main.cpp -o main
// and put the executable `main` at the root of the project.
#include <chrono>
#include <stdexcept>

#include "myelin.hpp"

int main() {
  // Kept for as long as a call may run: stop() comes on another thread.
  static std::mutex mutex;
  static std::condition_variable changed;
  static bool stopped = false;

  myelin::on("arm.wave", [](const myelin::Json& args) -> myelin::Json {
    const int times = static_cast<int>(args["times"].number(1));
    std::cout << "waving";
    for (int time = 1; time <= times; time++) myelin::push("waved", {{"time", time}});
    return {{"status", "success"}, {"times", times}};
  });
  myelin::on("arm.wait", [](const myelin::Json&) -> myelin::Json {
    std::unique_lock<std::mutex> lock(mutex);
    changed.wait(lock, [] { return stopped; });
    return "stopped";
  });
  myelin::on("arm.stop", [](const myelin::Json&) -> myelin::Json {
    const std::lock_guard<std::mutex> lock(mutex);
    stopped = true;
    changed.notify_all();
    return nullptr;
  });
  myelin::on("arm.fail", [](const myelin::Json&) -> myelin::Json { throw std::runtime_error("the arm is asleep"); });
  myelin::on("echo", [](const myelin::Json& args) -> myelin::Json { return args; });
  return myelin::run();
}
