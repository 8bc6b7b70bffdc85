using Bursar.Core.Budgets;
using Bursar.Core.Decisions;
using Xunit.Abstractions;

namespace Bursar.Tests.Simulation;

/// <summary>
/// Budgets in three overlapping levels over the same jobs, in random organisations (<see cref="LevelRun"/>). <c>BURSAR_SCENARIOS=10</c> runs ten
/// times as many.
/// </summary>
public sealed class LevelProperties(ITestOutputHelper output)
{
    [Fact]
    public void Job_that_fits_every_budget_runs_within_two_passes()
    {
        var (fitting, joint) = (0, 0);
        foreach (var seed in Seeds(20))
        {
            var run = new LevelRun(seed);
            for (var turn = 0; turn < 60; turn++)
            {
                run.Turn();
                if (turn % 6 != 5)
                    continue;
                run.Raise();
                run.Rest();
            }
            (fitting, joint) = (fitting + run.Fitting, joint + run.Joint);
        }
        output.WriteLine($"{fitting} jobs fitted, {joint} were suspended by several budgets");
        fitting.Should().BeGreaterThan(20);
        joint.Should().BeGreaterThan(100);
    }

    [Fact]
    public void Limit_is_kept_within_its_bound_and_a_job_changes_only_after_events()
    {
        var (suspensions, again, resumes, restarts) = (0, 0, 0, 0);
        foreach (var seed in Seeds(10))
        {
            var run = new LevelRun(seed);
            for (var turn = 0; turn < 150; turn++)
                run.Turn();
            suspensions += run.Suspensions;
            again += run.Again;
            resumes += run.Resumes;
            restarts += run.Restarts;
        }
        output.WriteLine($"{suspensions} suspensions ({again} of a job for the second time), {resumes} resumes, {restarts} restarts");
        suspensions.Should().BeGreaterThan(150);
        again.Should().BeGreaterThan(2);
        resumes.Should().BeGreaterThan(20);
        restarts.Should().BeGreaterThan(15);
    }

    /// <summary>The jobs cost the same, so a need is a number of jobs.</summary>
    [Fact]
    public void Budgets_that_save_at_once_suspend_no_more_than_the_larger_need()
    {
        var both = 0;
        foreach (var seed in Seeds(50))
        {
            var random = new Random(seed);
            var run = new LevelRun(seed, jobsPerNamespace: 0);
            foreach (var budget in run.Budgets)
            {
                budget.Terms = budget.Terms with
                {
                    Settle = TimeSpan.Zero,
                    Window = new(WindowPeriod.Month),
                    Victims = (VictimOrder)random.Next(2),
                };
                run.SetLimit(budget, LevelRun.Money(100_000));
            }
            // All need the same amount, and lose different ones. Therefore the budgets order their victims differently.
            foreach (var ns in run.Budgets.SelectMany(budget => budget.Namespaces).Distinct().ToArray())
                for (var i = 0; i < 4; i++)
                    run.Make(TimeSpan.FromHours(10 + 2 * random.NextDouble()), ns).Left = TimeSpan.FromHours(10);
            run.Pass();
            run.Elapse();
            run.Pass();

            LevelBudget[] cut = [run.Budgets[random.Next(run.Budgets.Count - 1)], run.Budgets[^1]];
            foreach (var budget in cut)
                run.SetLimit(budget, LevelRun.Money(31 * random.Next(1, Math.Max(2, run.Jobs.Count(budget.Selects)))));
            var (first, second) = (run.VictimsOf(cut[0]), run.VictimsOf(cut[1]));
            run.Pass(atOnce: true);
            run.Pass(atOnce: false);
            both += first.Count > 0 && second.Count > 0 ? 1 : 0;
            // The larger need, and what the smaller one takes from jobs that the other does not select.
            run.Jobs.Count(job => job.Suspended)
                .Should()
                .BeLessThanOrEqualTo(
                    Math.Max(
                        first.Count + second.Count(job => !cut[0].Selects(job)),
                        second.Count + first.Count(job => !cut[1].Selects(job))
                    ),
                    "seed {0}: {1} needs {2} and {3} needs {4}",
                    seed,
                    cut[0].Name,
                    first.Count,
                    cut[1].Name,
                    second.Count
                );
        }
        output.WriteLine($"{both} times both budgets had to save");
        both.Should().BeGreaterThan(20);
    }

    private static IEnumerable<int> Seeds(int count)
    {
        var times = int.TryParse(Environment.GetEnvironmentVariable("BURSAR_SCENARIOS"), out var more) ? more : 1;
        return Enumerable.Range(0, count * times);
    }
}
