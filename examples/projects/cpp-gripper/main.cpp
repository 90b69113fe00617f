// Opens and closes the gripper. Build it with `make`, push it, then: myelin project call robot.pinch '{"times": 3}'
#include <memory>
#include <mutex>

#include "myelin.hpp"
#include "myelin_arm.hpp"

// The arm of the call that runs; stop() comes on another thread.
static std::mutex mutex;
static std::shared_ptr<myelin::Arm> current;

static myelin::Json pinch(const myelin::Json& args) {
  const int times = static_cast<int>(args["times"].number(2));
  // The lease is taken with the first command and given back when the last user of the arm is gone.
  const auto arm = std::make_shared<myelin::Arm>();
  {
    const std::lock_guard<std::mutex> lock(mutex);
    current = arm;
  }
  const std::shared_ptr<void> forget(nullptr, [](void*) {
    const std::lock_guard<std::mutex> lock(mutex);
    current.reset();
  });
  arm->start();
  const double open = arm->limits().position_max.back();
  double opening = 0;
  for (int time = 1; time <= times; time++) {
    arm->gripper(open * 0.2);
    opening = arm->gripper(open * 0.9);
    myelin::push("pinched", {{"time", time}, {"of", times}});
  }
  return {{"pinched", times}, {"opening", opening}};
}

int main() {
  myelin::on("robot.pinch", pinch);
  // When the client goes, also while it pinches: the move that runs ends with myelin::Interrupted.
  myelin::on("robot.stop", [](const myelin::Json&) -> myelin::Json {
    std::shared_ptr<myelin::Arm> arm;
    {
      const std::lock_guard<std::mutex> lock(mutex);
      arm = current;
    }
    if (arm != nullptr) arm->hold();
    return nullptr;
  });
  return myelin::run();
}
