// Reads cases as lines of JSON and writes the rows that myelin_arm.hpp plans for each, as lines of JSON.
#include "myelin.hpp"
#include "myelin_arm.hpp"

static myelin::Vector numbers(const myelin::Json& list) {
  myelin::Vector values;
  for (const auto& value : list.array()) values.push_back(value.number());
  return values;
}

static void write(const myelin::Plan& plan) {
  std::printf("{\"periodS\":%.17g,\"rows\":[", plan.period_s);
  for (std::size_t k = 0; k < plan.rows.size(); k++) {
    for (std::size_t i = 0; i < plan.rows[k].size(); i++)
      std::printf("%s%.17g", i > 0 ? "," : k > 0 ? ",[" : "[", plan.rows[k][i]);
    std::printf("]");
  }
  std::printf("]}\n");
}

int main() {
  for (std::string line; std::getline(std::cin, line);) {
    const myelin::Json read = myelin::Json::parse(line);
    const myelin::Json& given = read["limits"];
    const myelin::Limits limits{numbers(given["positionMin"]),     numbers(given["positionMax"]), numbers(given["velocityMax"]),
                                numbers(given["accelerationMax"]), numbers(given["jerkMax"]),     {}};
    const myelin::Vector start = numbers(read["start"]);
    write(myelin::minimum_jerk(start, numbers(read["target"]), limits, read["seconds"].number()));
    write(myelin::brake(start, numbers(read["velocity"]), limits));
  }
}
