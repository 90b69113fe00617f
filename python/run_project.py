"""Started by the Myelin worker: `python run_project.py FOLDER ENTRY`. See myelin_runner.

A file of its own, so that the interpreter looks for modules here (for `import myelin`) and not in the project's
folder, whose `queue.py` or `json.py` would otherwise stand before the standard library's.
"""
if __name__ == "__main__":
    from myelin_runner.runner import main

    main()
