"""The planner of maintenance: which server when, before the platform acts by itself.

Pure: a `PlanRequest` in, a `Schedule` out (`model.plan`). It reads no clock and no table, and acts on nothing.

    grid, opening, load     time as cells of five minutes; windows and traffic as sets of cells
    jobs                    events of one server become one job
    room                    what is taken, and where a job may still begin
    search                  every order, for a few jobs
    planner                 the whole: `plan`, and `replan` which moves as little as it can
"""
