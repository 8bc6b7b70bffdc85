using Bursar.Core.Budgets;
using Bursar.Core.Decisions;
using Bursar.Core.Ledger;
using Bursar.Core.Money;

namespace Bursar.Tests.Simulation;

/// <summary>Lives of a budget that a person can read: what happened, when, who did it, and the amounts.</summary>
public sealed class GoldenScenarios
{
    private static readonly DateTimeOffset Monday = new(2026, 11, 2, 9, 0, 0, TimeSpan.Zero);

    [Fact]
    public void Runaway_job_is_suspended_and_resumes_when_the_limit_is_raised()
    {
        var world = World(1, 2m).Node("node-1", "V100", 2, 3.06m);
        world
            .At(TimeSpan.FromSeconds(10), w =>
                w.Create(new("train") { Declared = TimeSpan.FromMinutes(20), ReportEvery = TimeSpan.FromSeconds(3) })
            )
            .At(TimeSpan.FromMinutes(10), w => w.SetLimit(5m));
        world.RunFor(TimeSpan.FromHours(2));

        world.Named("train").Ended.Should().BeTrue();
        world.Operator.Stops[0].At.Should().BeBefore(Monday.AddSeconds(10 + 9 + 10), "within 10 s of the hundredth step");
        Golden.Check(world);
    }

    [Fact]
    public void Exhausted_month_and_the_next_one_resumes_in_order_and_paced()
    {
        var world = World(2, 30m, new(2026, 11, 30, 8, 0, 0, TimeSpan.Zero)).Node("node-1", "V100", 8, 3.06m);
        for (var i = 0; i < 4; i++)
        {
            var (name, priority) = ($"job-{i}", i == 3 ? 100 : 0);
            world.At(TimeSpan.FromMinutes(1 + i), w => w.Create(
                    new(name)
                    {
                        ReportsProgress = false,
                        Priority = priority,
                        Steps = 200_000,
                    }
                ));
        }
        world.RunFor(TimeSpan.FromDays(2));

        world.Operator.Resumes.Select(r => r.Uid).Take(4).Should().Equal("uid-job-3", "uid-job-0", "uid-job-1", "uid-job-2");
        Golden.Check(world);
    }

    [Fact]
    public void Responsive_job_is_asked_for_a_checkpoint_and_continues_from_it()
    {
        var world = World(5, 5m).Node("node-1", "V100", 4, 3.06m);
        world
            .At(TimeSpan.FromMinutes(1), w => w.Create(
                    new("answers")
                    {
                        Declared = TimeSpan.FromMinutes(20),
                        Slows = (4_000, 40),
                        AnswersIn = TimeSpan.FromSeconds(40),
                    }
                ))
            .At(TimeSpan.FromMinutes(1), w => w.Create(
                    new("silent")
                    {
                        ReportsProgress = false,
                        Steps = 200_000,
                        AnswersIn = TimeSpan.FromSeconds(40),
                        Ignores = true,
                    }
                ))
            .At(TimeSpan.FromHours(3), w => w.SetLimit(200m))
            .At(TimeSpan.FromHours(10), w => w.Create(new("mute") { ReportsProgress = false, Steps = 900_000 }));
        world.RunFor(TimeSpan.FromHours(20));

        world.Operator.Requests.Should().BeGreaterThan(1);
        world.Named("answers").Answer.Should().NotBeNull();
        Golden.Check(world);
    }

    [Fact]
    public void Inference_stays_at_its_minimum_replicas()
    {
        var world = World(3, 2_200m).Node("node-1", "V100", 4, 3.06m);
        world
            .At(TimeSpan.FromMinutes(1), w => w.Create(new("chat") { Class = WorkloadClass.Inference }))
            .At(TimeSpan.FromMinutes(2), w => w.Create(new("short") { Steps = 30_000, Declared = TimeSpan.FromHours(1) }))
            .At(TimeSpan.FromMinutes(3), w => w.Create(new("long") { Steps = 9_000_000, Declared = TimeSpan.FromDays(10) }))
            .At(TimeSpan.FromHours(3), w => w.SetLimit(1_000m))
            .At(TimeSpan.FromHours(4), w => w.Create(new("late") { Declared = TimeSpan.FromMinutes(30) }));
        world.RunFor(TimeSpan.FromHours(5));

        world.Named("chat").Suspended.Should().BeFalse();
        Golden.Check(world);
    }

    [Fact]
    public void Inference_with_Zero_is_scaled_to_zero_and_restored_in_the_next_window()
    {
        var world = World(4, 20m, window: WindowPeriod.Day, terms: t => t with { WhenExhausted = WhenExhausted.Zero })
            .Node("node-1", "V100", 4, 3.06m);
        world.At(TimeSpan.FromMinutes(1), w => w.Create(new("chat") { Class = WorkloadClass.Inference }));
        world.RunFor(TimeSpan.FromHours(26));

        Golden.Check(world);
    }

    [Fact]
    public void Job_of_unknown_length_runs_to_the_limit_or_waits_under_Hold()
    {
        var world = World(5, 10m).Node("node-1", "V100", 4, 3.06m);
        world
            .At(TimeSpan.FromMinutes(1), w => w.Create(new("silent") { ReportsProgress = false, Steps = 200_000 }))
            .At(TimeSpan.FromHours(1), w => w.Change("sets unknownDuration: Hold", t => t with { UnknownDuration = UnknownDuration.Hold }))
            .At(TimeSpan.FromMinutes(61), w => w.Create(new("second") { ReportsProgress = false }));
        world.RunFor(TimeSpan.FromHours(5));

        world.Named("silent").Suspended.Should().BeTrue();
        Golden.Check(world);
    }

    [Fact]
    public void Two_jobs_compete_for_one_budget_and_one_completes()
    {
        var world = World(6, 4m).Node("node-1", "V100", 4, 3.06m);
        world.At(TimeSpan.FromMinutes(1), w => w.Create(new("first"))).At(TimeSpan.FromMinutes(1), w => w.Create(new("second")));
        world.RunFor(TimeSpan.FromHours(3));

        // Exactly one completes. The other cannot resume this month, because both together need more than the limit.
        new[] { "first", "second" }.Count(name => world.Named(name).Ended).Should().Be(1);
        Golden.Check(world);
    }

    [Fact]
    public void Kill_between_the_ledger_and_the_act_changes_no_amount_and_resumes_nothing()
    {
        var world = World(13, 2m, faults: new() { KilledBeforeAct = 0.8, Downtime = TimeSpan.FromSeconds(3) })
            .Node("node-1", "V100", 2, 3.06m);
        world.At(TimeSpan.FromSeconds(10), w => w.Create(new("train") { ReportEvery = TimeSpan.FromSeconds(3) }));
        world.RunFor(TimeSpan.FromMinutes(3));

        world.Operator.Kills.Should().BeGreaterThan(0);
        world.Operator.Resumes.Should().BeEmpty();
        world.Named("train").Suspended.Should().BeTrue();
        Golden.Check(world);
    }

    [Fact]
    public void Kill_9_while_a_job_is_suspended_changes_no_amount_and_resumes_nothing()
    {
        var world = World(8, 2m).Node("node-1", "V100", 2, 3.06m);
        world.At(TimeSpan.FromSeconds(10), w => w.Create(new("train") { ReportEvery = TimeSpan.FromSeconds(3) }));
        world.RunFor(TimeSpan.FromMinutes(5));
        var spent = world.Operator.Last!.Spent;
        world.Operator.Kill();
        world.RunFor(TimeSpan.FromHours(1));

        world.Operator.Last.Spent.Should().Be(spent);
        world.Operator.Resumes.Should().BeEmpty();
        world.Named("train").Suspended.Should().BeTrue();
        Golden.Check(world);
    }

    [Fact]
    public void Lowered_limit_suspends_after_the_settle_time()
    {
        var world = World(9, 10m, terms: t => t with { Settle = TimeSpan.FromSeconds(60) }).Node("node-1", "V100", 4, 3.06m);
        world
            .At(TimeSpan.FromMinutes(2), w => w.Create(new("first") { Declared = TimeSpan.FromMinutes(45) }))
            .At(TimeSpan.FromMinutes(3), w => w.Create(new("second") { Declared = TimeSpan.FromMinutes(45) }))
            .At(TimeSpan.FromMinutes(10), w => w.SetLimit(3m));
        world.RunFor(TimeSpan.FromHours(2));

        world.Operator.Stops.Should().OnlyContain(s => s.At >= Monday.AddMinutes(11));
        Golden.Check(world);
    }

    [Fact]
    public void Mass_suspension_opens_the_breaker_until_it_is_reset()
    {
        var world = World(10, 100m).Node("node-1", "V100", 16, 3.06m);
        for (var i = 0; i < 8; i++)
        {
            var name = $"job-{i}";
            world.At(TimeSpan.FromMinutes(1), w => w.Create(new(name) { Declared = TimeSpan.FromHours(4), Steps = 160_000 }));
        }
        world.At(TimeSpan.FromMinutes(10), w => w.SetLimit(5m)).At(TimeSpan.FromMinutes(15), w => w.Operator.Continue());
        world.RunFor(TimeSpan.FromMinutes(20));

        world.Operator.Stops.Count(s => s.At < Monday.AddMinutes(15)).Should().Be(5);
        world.Work.Should().OnlyContain(w => w.Suspended);
        Golden.Check(world);
    }

    [Fact]
    public void Lost_node_pauses_forecasts_and_is_not_billed()
    {
        var world = World(11, 4m).Node("node-1", "V100", 2, 3.06m);
        world
            .At(TimeSpan.FromMinutes(1), w => w.Create(new("train") { Slows = (12_000, 4) }))
            .At(TimeSpan.FromMinutes(20), w => w.LoseNode("node-1", TimeSpan.FromMinutes(15)));
        world.RunFor(TimeSpan.FromHours(3));

        Golden.Check(world);
    }

    [Fact]
    public void Job_resumed_by_hand_is_suspended_again_and_finally_contested()
    {
        var world = World(12, 2m).Node("node-1", "V100", 2, 3.06m);
        world.At(TimeSpan.FromSeconds(10), w => w.Create(new("train") { ReportEvery = TimeSpan.FromSeconds(3) }));
        foreach (var minute in new[] { 3, 5, 7 })
            world.At(TimeSpan.FromMinutes(minute), w => w.ResumeByHand("train"));
        world.RunFor(TimeSpan.FromMinutes(20));

        world.Named("train").Suspended.Should().BeTrue();
        Golden.Check(world);
    }

    private static ScenarioWorld World(
        int seed,
        decimal limit,
        DateTimeOffset? start = null,
        WindowPeriod window = WindowPeriod.Month,
        Func<BudgetTerms, BudgetTerms>? terms = null,
        Faults? faults = null
    )
    {
        var plain = new BudgetTerms
        {
            Limit = Amount.FromDecimal(limit),
            Window = new(window),
            Settle = TimeSpan.Zero,
        };
        return new(seed, start ?? Monday, terms is null ? plain : terms(plain), faults);
    }
}
