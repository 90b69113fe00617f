// A project in C++: build it with `make`, then: myelin project push .
// What has a dot in its name is a method of an object, the rest are functions.
#include <iostream>
#include <string>

#include "myelin.hpp"

int main() {
  static int greeted = 0;
  myelin::on("greeter.hello", [](const myelin::Json& args) -> myelin::Json {
    const std::string name = args["name"].string("world");
    greeted += 1;
    std::cout << "greeting " << name << std::endl;  // goes to the project's log
    myelin::push("greeted", {{"name", name}, {"count", greeted}});
    return {{"status", "success"}, {"message", "Hello, " + name + "!"}, {"count", greeted}};
  });
  return myelin::run();
}
