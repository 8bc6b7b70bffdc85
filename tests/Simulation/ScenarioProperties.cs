using System.Diagnostics;
using Bursar.Core.Budgets;
using Bursar.Core.Decisions;
using Bursar.Core.Money;
using Xunit.Abstractions;

namespace Bursar.Tests.Simulation;

/// <summary>Properties of every scenario, over thousands of them. A failure names its seed, which reproduces it.</summary>
public sealed class ScenarioProperties(ITestOutputHelper output)
{
    private static readonly DateTimeOffset Start = new(2026, 11, 2, 9, 0, 0, TimeSpan.Zero);

    [Fact]
    public void Overspend_of_suspendable_work_stays_within_the_bound_published_at_suspension()
    {
        var runs = Scenarios(500);
        var (worst, worstSeed, stopped, evaluations, brakes, switches, kills) = (0.0, 0, 0, 0L, 0, 0, 0);
        var (requests, answers) = (0, 0);
        var ratios = new List<double>();
        for (var seed = 0; seed < runs; seed++)
        {
            // Every fifth scenario is a crowd that opens the breaker; every fourth is in observe-only mode for a while.
            var world = seed % 5 == 2 ? Crowd(seed) : Any(seed, lies: true);
            if (seed % 4 == 3)
                WithObserveOnlyMode(world, new Random(seed));
            // Windows are checked just before they end.
            for (var day = 0; day < 2; day++)
            {
                var window = Window.At(world.Terms.Window, world.Now);
                world.RunFor(window.End - world.Now - TimeSpan.FromMilliseconds(1));
                var stops = world
                    .Operator.Stops.Where(s => s.AtLimit && s.At >= window.Start && s.At < window.End)
                    .GroupBy(s => s.At)
                    .Select(g => g.First())
                    .ToArray();
                // Each stop at the limit is measured against its own bound, from the limit or from what was over already:
                // work that is created in an exhausted budget is stopped by a stop of its own.
                var before = world.Terms.Limit;
                foreach (var stop in stops)
                {
                    var reached = CostOfPods(world, window, stop.At - world.Faults.WatchDelay);
                    var over = reached - before;
                    if (over > Amount.Zero)
                    {
                        (over - stop.Bound - world.Operator.Unenforced)
                            .Units.Should()
                            .BeLessThanOrEqualTo(0, "seed {0}, {1}: {2} over, bound {3}", seed, stop.At, over, stop.Bound);
                        var ratio = over.ToDouble() / stop.Bound.ToDouble();
                        if (world.Operator is { Kills: 0, ObserveOnlyChanges: 0 })
                        {
                            ratios.Add(ratio);
                            if (ratio > worst)
                                (worst, worstSeed) = (ratio, seed);
                        }
                    }
                    before = Amount.Max(before, reached);
                }
                (
                    world.Operator.SpentIn(window)
                    - before
                    - (world.Operator.ObserveOnlyChanges > 0 ? world.Operator.Unenforced : Amount.Zero)
                )
                    .Units.Should()
                    .BeLessThanOrEqualTo(0, "seed {0}, {1}: nothing goes over without a stop", seed, window.Key);
                stopped += stops.Length;
                world.RunFor(TimeSpan.FromMilliseconds(1));
            }
            world.Operator.ActionsWhileObserving.Should().Be(0, "seed {0}: the switch said observe", seed);
            evaluations += world.Operator.Evaluations;
            brakes += world.Operator.BreakerOpenings;
            switches += world.Operator.ObserveOnlyChanges;
            kills += world.Operator.Kills;
            requests += world.Operator.Requests;
            answers += world.Work.Count(w => w.Answer is not null);
        }
        ratios.Sort();
        output.WriteLine(
            $"{runs} scenarios of two days, {evaluations} evaluations, {stopped} suspensions at the limit, {kills} kills, {requests} requests for checkpoints and {answers} jobs that answered, {brakes} times braked, {switches} times switched off; worst overspend {worst:0.000} of the bound (seed {worstSeed}): the bound is {1 / worst:0.00} times the worst seen, median overspend {(ratios.Count > 0 ? ratios[ratios.Count / 2] : 0):0.000} of it in {ratios.Count} that went over"
        );
        (1 / worst).Should().BeLessThan(2, "a bound far from what happens says little");
        brakes.Should().BeGreaterThan(runs / 20);
        requests.Should().BeGreaterThan(runs / 5);
        answers.Should().BeGreaterThan(runs / 10);
        switches.Should().BeGreaterThan(runs / 5);
        stopped.Should().BeGreaterThan(runs / 4, "scenarios in which nothing is stopped prove nothing");
    }

    [Fact]
    public void Ledger_equals_the_cost_of_the_pods_exactly_after_any_number_of_kills()
    {
        var kills = 0;
        for (var seed = 0; seed < Scenarios(100); seed++)
        {
            var world = Any(seed, lies: false);
            var random = new Random(seed);
            for (var i = 0; i < 10; i++)
                world.At(TimeSpan.FromMinutes(random.NextDouble() * 2_000), w => w.Operator.Kill());
            world.RunFor(TimeSpan.FromDays(2));
            world.Operator.SpentIn(new(Start, world.Now, "all")).Should().Be(CostOfPods(world), "seed {0}", seed);
            kills += world.Operator.Kills;
        }
        output.WriteLine($"{Scenarios(100)} scenarios, {kills} kills");
        kills.Should().BeGreaterThan(Scenarios(100) * 5);
    }

    [Fact]
    public void Kills_change_no_total_while_nothing_is_suspended()
    {
        for (var seed = 0; seed < Scenarios(25); seed++)
        {
            Amount Total(bool killed)
            {
                var world = Any(seed, lies: false, limit: 1_000_000m);
                var random = new Random(seed);
                for (var i = 0; i < 20; i++)
                {
                    var at = TimeSpan.FromMinutes(random.NextDouble() * 2_000);
                    if (killed)
                        world.At(at, w => w.Operator.Kill());
                }
                world.RunFor(TimeSpan.FromDays(2));
                return world.Operator.SpentIn(new(Start, world.Now, "all"));
            }
            Total(killed: true).Should().Be(Total(killed: false), "seed {0}", seed);
        }
    }

    [Fact]
    public void Scenario_is_determined_by_its_seed()
    {
        for (var seed = 0; seed < Scenarios(50); seed++)
        {
            string Tell()
            {
                var world = Any(seed, lies: true);
                world.RunFor(TimeSpan.FromDays(2));
                return world.Log.ToString();
            }
            Tell().Should().Be(Tell());
        }
    }

    [Fact]
    public void No_scenario_flaps()
    {
        var resumes = 0;
        for (var seed = 0; seed < Scenarios(100); seed++)
        {
            var world = Any(seed, lies: true);
            world.RunFor(TimeSpan.FromDays(3));
            // Causes in three days: three new windows, and each end of a job. The limit does not change here.
            var causes = 3 + world.Work.Count(w => w.Ended);
            foreach (var group in world.Operator.Resumes.GroupBy(r => r.Uid))
            {
                group
                    .Count(r => r.Cause != Reasons.FitsAgain)
                    .Should()
                    .BeLessThanOrEqualTo(causes + world.Operator.Kills, "seed {0}, {1}", seed, group.Key);
                // Without a cause the wait doubles each time, so three days have eight such resumes at most.
                group.Count(r => r.Cause == Reasons.FitsAgain).Should().BeLessThanOrEqualTo(8, "seed {0}, {1}", seed, group.Key);
            }
            resumes += world.Operator.Resumes.Count;
        }
        resumes.Should().BeGreaterThan(20);
    }

    [Fact]
    public void Months_are_billed_to_the_last_digit()
    {
        var watch = Stopwatch.StartNew();
        var world = new ScenarioWorld(
            42,
            Start,
            new() { Limit = Amount.FromDecimal(500), Window = new(WindowPeriod.Month, "Europe/Berlin") }
        ).Node("node-1", "V100", 8, 3.06m);
        for (var day = 0; day < 120; day++)
        {
            var name = $"job-{day:000}";
            var steps = 40_000 + day * 2_000;
            world.At(TimeSpan.FromDays(day), w => w.Create(
                    new(name)
                    {
                        Steps = steps,
                        Jitter = 0.05,
                        ReportEvery = TimeSpan.FromMinutes(2),
                        Declared = TimeSpan.FromHours(2),
                    }
                ));
        }
        world.RunFor(TimeSpan.FromDays(122));

        output.WriteLine(
            $"four months, {world.Operator.Evaluations} evaluations, {world.Operator.Stops.Count} suspensions in {watch.ElapsedMilliseconds} ms"
        );
        world.Operator.SpentIn(new(Start, world.Now, "all")).Should().Be(CostOfPods(world));
        world.Work.Count(w => w.Ended).Should().BeGreaterThan(60);
    }

    /// <summary>Returns the cost in a window of the pods that were scheduled by a moment.</summary>
    private static Amount CostOfPods(ScenarioWorld world, Window window, DateTimeOffset scheduledBy) =>
        world
            .Work.SelectMany(w => w.Pods)
            .Where(p => p.ScheduledAt <= scheduledBy)
            .Aggregate(Amount.Zero, (sum, pod) =>
            {
                var from = pod.ScheduledAt > window.Start ? pod.ScheduledAt : window.Start;
                var to = pod.FinishedAt ?? world.Now;
                return to > from ? sum + (Rate(pod.Node.Product) * pod.Work.Plan.Gpus).For(to - from) : sum;
            });

    private static Amount CostOfPods(ScenarioWorld world) =>
        world
            .Work.SelectMany(w => w.Pods)
            .Aggregate(Amount.Zero, (sum, pod) =>
                sum + (Rate(pod.Node.Product) * pod.Work.Plan.Gpus).For((pod.FinishedAt ?? world.Now) - pod.ScheduledAt)
            );

    /// <summary><c>BURSAR_SCENARIOS=10</c> runs ten times as many scenarios.</summary>
    private static int Scenarios(int count) =>
        count * (int.TryParse(Environment.GetEnvironmentVariable("BURSAR_SCENARIOS"), out var times) ? times : 1);

    private static GpuHourPrice Rate(string product) => GpuHourPrice.FromDecimal(product == "H100" ? 7.5m : 3.06m);

    /// <summary>
    /// Many jobs at once against a budget for a few: more suspensions by forecast than the breaker allows. A user resets it now and then.
    /// </summary>
    private static ScenarioWorld Crowd(int seed)
    {
        var random = new Random(seed);
        var terms = new BudgetTerms
        {
            Limit = Amount.FromDecimal(random.Next(5, 40)),
            Window = new(WindowPeriod.Day),
            Settle = TimeSpan.Zero,
        };
        var world = new ScenarioWorld(
            seed,
            Start,
            terms,
            new()
            {
                WatchDelay = TimeSpan.FromSeconds(random.Next(1, 3)),
                WriteDelay = TimeSpan.FromSeconds(random.Next(1, 4)),
                LostReports = 0.1,
            }
        ).Node("node-1", "V100", 16, Rate("V100").NanoPerGpuHour / 1_000_000_000m);
        var at = TimeSpan.FromMinutes(random.Next(1, 60));
        for (var i = 0; i < random.Next(12, 24); i++)
        {
            var plan = new WorkPlan($"job-{i:00}")
            {
                Priority = random.Next(2),
                Steps = random.Next(20_000, 300_000),
                Jitter = 0.05,
                ReportEvery = TimeSpan.FromMinutes(1),
                Grace = TimeSpan.FromSeconds(random.Next(0, 120)),
                CheckpointEvery = random.Next(2) * 1_000,
            };
            world.At(at + TimeSpan.FromSeconds(i * random.Next(2)), w => w.Create(plan));
        }
        for (var i = 0; i < 3; i++)
            world.At(TimeSpan.FromMinutes(random.Next(60, 600)), w => w.Operator.Continue());
        return world;
    }

    private static void WithObserveOnlyMode(ScenarioWorld world, Random random)
    {
        var from = TimeSpan.FromMinutes(random.Next(10, 600));
        world
            .At(from, w => w.Operator.SetObserveOnly(observe: true))
            .At(from + TimeSpan.FromMinutes(random.Next(5, 240)), w => w.Operator.SetObserveOnly(observe: false));
    }

    /// <summary>A small cluster with jobs that report, that report wrongly, and that do not report, and with random faults.</summary>
    private static ScenarioWorld Any(int seed, bool lies, decimal? limit = null)
    {
        var random = new Random(seed);
        // A separate seed, so that responsive work changes nothing else of the scenario.
        var answering = new Random(seed ^ 0xc4ec);
        var terms = new BudgetTerms
        {
            CheckpointGrace = TimeSpan.FromMinutes(answering.Next(0, 7)),
            Limit = Amount.FromDecimal(limit ?? random.Next(3, 60)),
            Window = new(WindowPeriod.Day),
            Settle = TimeSpan.FromSeconds(random.Next(2) * 60),
            SuspendWhen = (SuspendWhen)random.Next(2),
        };
        var faults = new Faults
        {
            WatchDelay = TimeSpan.FromSeconds(random.Next(1, 3)),
            WriteDelay = TimeSpan.FromSeconds(random.Next(1, 4)),
            LostReports = random.Next(3) * 0.2,
            KilledBeforeAct = random.Next(3) == 0 ? 0.3 : 0,
            KilledAfterAct = random.Next(3) == 0 ? 0.3 : 0,
            Downtime = TimeSpan.FromSeconds(random.Next(1, 30)),
        };
        var world = new ScenarioWorld(seed, Start, terms, faults)
            .Node("node-1", "V100", 4, Rate("V100").NanoPerGpuHour / 1_000_000_000m)
            .Node("node-2", "H100", 4, Rate("H100").NanoPerGpuHour / 1_000_000_000m);
        for (var i = 0; i < random.Next(2, 7); i++)
        {
            var plan = new WorkPlan($"job-{i}")
            {
                Product = random.Next(3) == 0 ? "H100" : "V100",
                Gpus = random.Next(4) == 0 ? 2 : 1,
                Priority = random.Next(3),
                Steps = random.Next(1_000, 400_000),
                Jitter = random.NextDouble() * 0.3,
                WarmUp = TimeSpan.FromSeconds(random.Next(0, 300)),
                Pauses = random.Next(2) * 0.05,
                ReportEvery = TimeSpan.FromMinutes(random.Next(1, 10)),
                ReportsProgress = random.Next(3) > 0,
                Declared = random.Next(3) == 0 ? TimeSpan.FromMinutes(random.Next(1, 600)) : null,
                Slows = lies && random.Next(3) == 0 ? (random.Next(100, 50_000), 4) : null,
                CheckpointEvery = random.Next(2) * 1_000,
                AnswersIn = answering.Next(2) == 0 ? TimeSpan.FromSeconds(answering.Next(1, 400)) : null,
                Ignores = answering.Next(4) == 0,
                Grace = TimeSpan.FromSeconds(random.Next(0, 120)),
            };
            world.At(TimeSpan.FromMinutes(random.Next(0, 600)), w => w.Create(plan));
        }
        return world;
    }
}
