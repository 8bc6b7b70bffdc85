using Bursar.Core.Budgets;
using Bursar.Core.Decisions;
using Bursar.Core.Money;
using Xunit.Abstractions;

namespace Bursar.Tests.Simulation;

/// <summary>Two hundred jobs that come at once against a budget for ten, in random orders of arrival.</summary>
public sealed class MassProperties(ITestOutputHelper output)
{
    private static readonly DateTimeOffset Start = new(2026, 11, 2, 9, 0, 0, TimeSpan.Zero);
    private static readonly Faults Fast = new()
    {
        WatchDelay = TimeSpan.FromMilliseconds(500),
        WriteDelay = TimeSpan.FromMilliseconds(500),
    };

    /// <summary>The time from a creation until the job is suspended: seen, evaluated at the next tick, written.</summary>
    private static readonly TimeSpan SuspensionLatency = TimeSpan.FromSeconds(6);

    [Fact]
    public void Ten_of_many_jobs_run_and_the_others_follow_in_order_within_the_limit()
    {
        const int runs = 12;
        var followed = 0;
        for (var seed = 0; seed < runs; seed++)
        {
            var random = new Random(seed);
            // Jobs declare an hour and run for twenty minutes. An early end frees budget for the next.
            var terms = new BudgetTerms
            {
                Limit = Amount.FromDecimal(33),
                Window = new(WindowPeriod.Month),
                Settle = TimeSpan.Zero,
            };
            var world = new ScenarioWorld(seed, Start, terms, Fast).Node("node-1", "V100", 256, 3.06m);
            int[] order = [.. Enumerable.Range(0, 200).OrderBy(_ => random.Next())];
            for (var i = 0; i < order.Length; i++)
            {
                var name = $"job-{order[i]:000}";
                var at = TimeSpan.FromSeconds(30) + TimeSpan.FromMilliseconds(i * random.Next(1, 100));
                world.At(at, w => w.Create(
                        new(name)
                        {
                            Steps = 13_333,
                            ReportsProgress = false,
                            Declared = TimeSpan.FromHours(1),
                            Grace = TimeSpan.Zero,
                        }
                    ));
            }
            for (var second = 60; second < 3 * 3_600; second += second < 120 ? 1 : 20)
                world.At(TimeSpan.FromSeconds(second), w =>
                {
                    var running = w.Work.Count(j => j is { Ended: false, Suspended: false } && w.Now - j.CreatedAt > SuspensionLatency);
                    running.Should().BeLessThanOrEqualTo(10, "seed {0}, {1:HH:mm:ss}", seed, w.Now);
                    if (w.Operator.Last is { } last)
                        (last.Projected - last.Limit)
                            .Units.Should()
                            .BeLessThanOrEqualTo(0, "seed {0}, {1:HH:mm:ss}: what is reserved is there", seed, w.Now);
                });
            world.RunFor(TimeSpan.FromMinutes(5));
            world.Work.Count(w => !w.Suspended).Should().Be(10, "seed {0}: no fewer either", seed);
            world.Operator.BreakerOpenings.Should().Be(0, "seed {0}: to let new jobs wait is no mass suspending", seed);

            world.RunFor(TimeSpan.FromHours(3));
            var first = world.Work.Where(w => w.Runs == 0 && w.Pods.Count > 0).Select(w => w.Key.Uid).ToHashSet(StringComparer.Ordinal);
            string[] waited =
            [
                .. world
                    .Work.Where(w => !first.Contains(w.Key.Uid))
                    .OrderBy(w => w.CreatedAt)
                    .ThenBy(w => w.Plan.Name, StringComparer.Ordinal)
                    .Select(w => w.Key.Uid),
            ];
            world
                .Operator.Resumes.Select(r => r.Uid)
                .Should()
                .Equal(waited.Take(world.Operator.Resumes.Count), "seed {0}: the oldest first", seed);
            world.Operator.Resumes.Should().OnlyHaveUniqueItems(r => r.Uid);
            (world.Operator.SpentIn(new(Start, world.Now, "all")) - terms.Limit).Units.Should().BeLessThanOrEqualTo(0, "seed {0}", seed);
            followed += world.Operator.Resumes.Count;
        }
        output.WriteLine($"{runs} crowds of 200: {followed} followed those that had ended");
        followed.Should().BeGreaterThan(runs * 10);
    }
}
