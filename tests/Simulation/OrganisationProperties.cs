using System.Diagnostics;
using Xunit.Abstractions;

namespace Bursar.Tests.Simulation;

/// <summary>
/// Whole organisations with budgets in three levels, requests, loans, windows that end, failed writes and kills (<see cref="OrganisationRun"/>).
/// <c>BURSAR_SCENARIOS=10</c> runs ten times as many.
/// </summary>
public sealed class OrganisationProperties(ITestOutputHelper output)
{
    [Fact]
    public void Organisation_keeps_its_limits_runs_what_fits_and_loses_no_money()
    {
        var times = int.TryParse(Environment.GetEnvironmentVariable("BURSAR_SCENARIOS"), out var more) ? more : 1;
        for (var seed = 2; seed < 2 + 2 * times; seed++)
            Run(seed, jobs: 2_000, teams: 20);
    }

    /// <summary>The figures are lower bounds, because a run in which nothing happens proves nothing.</summary>
    private void Run(int seed, int jobs, int teams)
    {
        var watch = Stopwatch.StartNew();
        var run = new OrganisationRun(seed, jobs, teams);
        try
        {
            run.Run();
        }
        finally
        {
            output.WriteLine($"seed {seed}, {watch.ElapsedMilliseconds} ms: {run.Figures}");
        }
        run.Reverted.Should().Be(0);
        run.Completed.Should().BeGreaterThan(jobs * 3 / 4);
        run.Suspensions.Should().BeGreaterThan(jobs / 20);
        run.Resumes.Should().BeGreaterThan(jobs / 100);
        run.Stops.Should().BeGreaterThan(jobs / 200);
        run.Kills.Should().BeGreaterThan(2);
        run.Faults.Should().BeGreaterThan(5);
        run.Fitting.Should().BePositive();
        run.Rollovers.Should().BeGreaterThan(teams);
        run.Grants.Should().BeGreaterThan(50);
    }
}
