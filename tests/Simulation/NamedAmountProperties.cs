using Bursar.Core.Budgets;
using Bursar.Core.Decisions;
using Bursar.Core.Ledger;
using Bursar.Core.Money;
using Bursar.Tests.TestKit;
using FsCheck;
using FsCheck.Fluent;
using static Bursar.Tests.TestKit.Given;

namespace Bursar.Tests.Simulation;

/// <summary>Random budgets that live on after a decision, as the controller would carry it out.</summary>
public sealed class NamedAmountProperties
{
    private static readonly TimeSpan Pass = TimeSpan.FromSeconds(5);

    [Theory]
    [InlineData(ResumePolicy.Automatic)]
    [InlineData(ResumePolicy.Manual)]
    public void Limit_that_a_message_names_is_enough_whatever_others_do_meanwhile(ResumePolicy policy)
    {
        int named = 0,
            busy = 0;
        Check(
            seed =>
            {
                var (amounts, others) = Enough(seed, policy);
                named += amounts;
                busy += others;
            },
            400
        );
        named.Should().BeGreaterThan(200);
        busy.Should().BeGreaterThan(3);
    }

    [Fact]
    public void Limit_that_a_message_names_later_is_enough()
    {
        var named = 0;
        Check(seed => named += EnoughLater(seed).Named, 150);
        named.Should().BeGreaterThan(100);
    }

    [Fact]
    public void Limit_named_in_Observe_mode_keeps_the_work_running()
    {
        var named = 0;
        Check(seed => named += EnoughToKeep(seed), 100);
        named.Should().BeGreaterThan(50);
    }

    [Fact]
    public void Limit_that_explain_names_is_enough()
    {
        var named = 0;
        Check(seed => named += EnoughExplained(seed), 60);
        named.Should().BeGreaterThan(30);
    }

    /// <summary>An announcement names the amount that a budget needs. A limit of that amount, as it is written, ends its cause.</summary>
    [Fact]
    public void Limit_as_an_announcement_writes_it_covers_its_work()
    {
        var granted = new Dictionary<string, int>();
        Check(
            seed =>
            {
                var budget = Announcing(new Random(seed));
                var decision = BudgetDecider.Decide(budget);
                // Work that this decision suspends would resume under a higher limit, and has a message of its own.
                if (decision.Actions.Count > 0)
                    return;
                foreach (var announcement in decision.Announcements)
                {
                    var (kind, amount) = Written(announcement.Sentence);
                    if (amount is not { } enough || enough <= decision.Limit)
                        continue;
                    var then = BudgetDecider.Decide(budget with { Terms = budget.Terms with { Limit = enough } });
                    granted[kind] = granted.GetValueOrDefault(kind) + 1;
                    then.Announcements.Should()
                        .NotContain(one => Written(one.Sentence).Kind == kind, "seed {0}: {1}", seed, announcement.Sentence);
                }
            },
            400
        );
        granted.Keys.Should().BeEquivalentTo("next", "grows", "settles");
        granted.Values.Should().OnlyContain(count => count >= 5);
    }

    private static (string Kind, Amount? Amount) Written(string sentence)
    {
        foreach (
            var (kind, pattern) in new[]
            {
                ("next", "does not cover the ([0-9.]+) that running workloads cost in it"),
                ("grows", "and up to ([0-9.]+) if they take longer"),
                ("settles", "^([0-9.]+) USD is spent and reserved, over the limit"),
            }
        )
            if (System.Text.RegularExpressions.Regex.Match(sentence, pattern) is { Success: true } match)
                return (kind, Amount.FromDecimal(decimal.Parse(match.Groups[1].Value, System.Globalization.CultureInfo.InvariantCulture)));
        return ("", null);
    }

    /// <summary>
    /// Budgets without suspended work, which would resume under a higher limit. Shortly before the end of a window, or while work settles.
    /// </summary>
    private static BudgetSnapshot Announcing(Random random)
    {
        var budget = Enforced(random);
        budget = budget with
        {
            Workloads = [.. budget.Workloads.Where(work => work.State is WorkloadState.Running or WorkloadState.Pending)],
        };
        budget = budget with { BurnRate = budget.Workloads.Aggregate(HourlyCost.Zero, (sum, work) => sum + work.BurnRate) };
        if (random.Next(2) == 0)
            return budget with { Memory = budget.Memory with { SettleFrom = budget.Now, SettleUntil = budget.Now.AddMinutes(1) } };
        var now = budget.Terms.Window.Period is WindowPeriod.Rolling or WindowPeriod.Once
            ? budget.Now
            : budget.Window.End.AddMinutes(-random.Next(1, 60));
        // Limits that hold the likely course.
        return budget with
        {
            Now = now,
            Terms = budget.Terms with
            {
                Limit = budget
                    .Workloads.Aggregate(budget.Spent, (sum, work) => sum + (work.Rate ?? HourlyCost.Zero).For(work.Estimate.Likely))
                    .Percent(random.Next(60, 110)),
            },
        };
    }

    /// <summary>Seeds whose amounts were not enough once.</summary>
    [Theory]
    // Running work is suspended before the limit is raised, and resumes first or leaves its part to work ahead.
    [InlineData(549097087)]
    [InlineData(716410532)]
    // Work ahead needs less when the limit is raised, since it runs past the end of the window.
    [InlineData(386403953)]
    [InlineData(455719006)]
    [InlineData(475859780)]
    // Reserved work whose pods do not run needs less then.
    [InlineData(201277695)]
    [InlineData(644509123)]
    // The window ends in between.
    [InlineData(1251873225)]
    [InlineData(1438973980)]
    // Work is asked for a checkpoint, and the request is withdrawn when the limit is raised.
    [InlineData(909692666)]
    [InlineData(1177403796)]
    [InlineData(1048214189)]
    [InlineData(448354421)]
    // A resume waits for the checkpoint of other work.
    [InlineData(362857748)]
    // An amount is repeated for too long.
    [InlineData(1771337228)]
    // The other work runs on in Observe mode.
    [InlineData(1311971994)]
    // The least amount that would do is not enough later.
    [InlineData(1217919438)]
    public void Limit_of_a_former_counterexample_is_enough(int seed)
    {
        Enough(seed, ResumePolicy.Automatic);
        Enough(seed, ResumePolicy.Manual);
        EnoughLater(seed);
        EnoughToKeep(seed);
        EnoughExplained(seed);
    }

    [Fact]
    public void No_limit_is_named_shortly_before_the_window_ends()
    {
        var budget = Budget(Terms(4.2m, WindowPeriod.Hour), Job("train", 1) with { Spent = Money(4) });
        BudgetSnapshot At(int minute) => budget with { Now = Now.AddMinutes(minute) };

        BudgetDecider.Decide(At(45)).Workloads.Single().Should().Match<WorkloadVerdict>(one => one.EnoughLimit > Money(4.2m));
        var late = BudgetDecider.Decide(At(46)).Workloads.Single();
        late.Sentence.Should()
            .StartWith("Suspended: ")
            .And.EndWith(
                "The window ends at 2026-11-10 13:00 UTC, too soon to name a limit. It resumes when other workloads end and enough budget is left, or in the next window (2026-11-10 13:00 UTC)."
            );
        late.EnoughLimit.Should().BeNull();
    }

    [Fact]
    public void Message_of_suspended_work_in_Observe_mode_says_that_nothing_resumes()
    {
        var budget = Budget(10, Job("train", 5).Suspended(10));
        var verdict = BudgetDecider.Decide(budget with { Terms = budget.Terms with { Mode = EnforcementMode.Observe } }).Workloads.Single();
        verdict.Sentence.Should().EndWith("Nothing is resumed in Observe mode.").And.NotContain("at least");
        verdict.EnoughLimit.Should().BeNull();
    }

    [Fact]
    public void Amount_named_in_the_status_is_the_one_named_in_the_event()
    {
        var compared = 0;
        Check(
            seed =>
            {
                var world = new LivingBudget(Enforced(new Random(seed)));
                var told = world
                    .Turn()
                    .Actions.Where(action => action is { Kind: ActionKind.Suspend, Suspension.EnoughLimit: not null })
                    .ToDictionary(action => action.Workload.Uid, action => action.Suspension!.EnoughLimit!.Value);
                // Suspensions and resumes in the meantime change the needed amount.
                if (world.Turn().Actions.Count > 0)
                    return;
                foreach (var verdict in world.Turn().Workloads)
                    if (
                        verdict is { State: WorkloadState.SuspendedByBudget, EnoughLimit: { } now }
                        && told.TryGetValue(verdict.Key.Uid, out var then)
                        && then >= now
                    )
                    {
                        compared++;
                        then.Should().Be(now, "seed {0}: {1}: {2}\n{3}", seed, verdict.Key.Name, world.Log, verdict.Sentence);
                    }
            },
            200
        );
        compared.Should().BeGreaterThan(50);
    }

    /// <summary>Draws a budget from a seed and grants each amount that its decision names, at once and after a while.</summary>
    /// <returns>The number of amounts, and of those granted after others were suspended or resumed.</returns>
    internal static (int Named, int Busy) Enough(int seed, ResumePolicy policy)
    {
        var random = new Random(seed);
        var budget = Enforced(random);
        return Enough(seed, budget with { Terms = budget.Terms with { Resume = policy } }, TimeSpan.FromSeconds(random.Next(0, 600)));
    }

    /// <summary>Creates a settled budget that asks for checkpoints and has existed for up to an hour.</summary>
    internal static (int Named, int Busy) EnoughLater(int seed)
    {
        var random = new Random(seed);
        var (budget, acknowledges) = Lived(random);
        return Enough(seed, budget, TimeSpan.FromSeconds(random.Next(0, 600)), acknowledges);
    }

    internal static (BudgetSnapshot Budget, bool Acknowledges) Lived(Random random)
    {
        var budget = Enforced(random);
        budget = budget with
        {
            Terms = budget.Terms with
            {
                Resume = (ResumePolicy)random.Next(2),
                Settle = TimeSpan.FromSeconds(random.Next(2) * 60),
                CheckpointGrace = TimeSpan.FromMinutes(new[] { 0, 1, 5, 20 }[random.Next(4)]),
            },
            Memory =
                random.Next(2) == 0
                    ? budget.Memory
                    : budget.Memory with
                    {
                        SettleFrom = budget.Now,
                        SettleUntil = budget.Now.AddMinutes(random.Next(6)),
                    },
            Workloads =
            [
                .. budget.Workloads.Select(work =>
                    work.Class != WorkloadClass.Training
                        ? work
                        : work with
                        {
                            CanCheckpoint = random.Next(3) == 0,
                            EstimateAfterResume =
                                work.State == WorkloadState.Running && work.Estimate.IsKnown && random.Next(2) == 0
                                    ? work.Estimate with
                                    {
                                        Likely = work.Estimate.Likely * 1.2,
                                        High = work.Estimate.High * 1.2,
                                    }
                                    : null,
                        }
                ),
            ],
        };
        var acknowledges = random.Next(2) == 0;
        var world = new LivingBudget(budget) { Acknowledges = acknowledges };
        for (var minutes = random.Next(3) == 0 ? 0 : random.Next(60); minutes > 0; minutes--)
            world.Turn(TimeSpan.FromMinutes(1));
        return (world.Budget, acknowledges);
    }

    private static (int Named, int Busy) Enough(int seed, BudgetSnapshot budget, TimeSpan wait, bool acknowledges = false)
    {
        int named = 0,
            busy = 0;
        var decision = BudgetDecider.Decide(budget);
        foreach (var verdict in decision.Workloads)
        {
            verdict
                .Sentence.Contains("to at least", StringComparison.Ordinal)
                .Should()
                .Be(verdict.EnoughLimit is not null, "seed {0}: {1}: {2}", seed, verdict.Key.Name, verdict.Sentence);
            if (verdict.EnoughLimit is not { } enough)
                continue;
            named++;
            enough.Should().BeGreaterThan(decision.Limit, "seed {0}: {1}: {2}", seed, verdict.Key.Name, verdict.Sentence);
            verdict.Sentence.Should().Contain($"at least {enough.ToShortString()} USD");
            if (budget.Terms.Resume == ResumePolicy.Manual)
                verdict.Sentence.Should().Contain("bursar.dev/resume: approved");
            busy += Grant(seed, budget, verdict.Key, enough, wait, acknowledges);
        }
        return (named, busy);
    }

    /// <summary>Grants each amount that <c>bursar explain</c> names.</summary>
    internal static int EnoughExplained(int seed)
    {
        var random = new Random(seed);
        var budget = Enforced(random);
        var wait = TimeSpan.FromSeconds(random.Next(0, 600));
        var named = 0;
        foreach (var work in budget.Workloads)
        foreach (var raise in WhatWouldChange.For(budget, work.Key.Uid).OfType<Change.RaiseLimit>())
        {
            named++;
            Grant(seed, budget, work.Key, raise.To, wait);
        }
        return named;
    }

    private static int Grant(int seed, BudgetSnapshot budget, WorkloadKey key, Amount enough, TimeSpan wait, bool acknowledges = false)
    {
        var (uid, name) = (key.Uid, key.Name);
        var busy = 0;
        foreach (var before in new[] { TimeSpan.Zero, wait })
        {
            var world = new LivingBudget(budget) { Acknowledges = acknowledges };
            world.Turn();
            var others = 0;
            for (var at = Pass; at <= before; at += Pass)
                others += world.Turn().Actions.Count;
            if (others > 0)
                busy++;
            world.Raise(enough);
            world.Approve(uid);
            for (var turn = 0; turn < 2 * budget.Workloads.Count + 4 && !world.Runs(uid); turn++)
                world.Turn();
            world
                .Runs(uid)
                .Should()
                .BeTrue("seed {0}: {1} was told that {2} is enough, granted after {3}: {4}", seed, name, enough, before, world.Log);
            for (var turn = 0; turn < 24; turn++)
                world.Turn();
            world
                .Runs(uid)
                .Should()
                .BeTrue(
                    "seed {0}: {1} is suspended again within two minutes of {2}, granted after {3}: {4}",
                    seed,
                    name,
                    enough,
                    before,
                    world.Log
                );
            world
                .Budget.Memory.Checkpoints.ContainsKey(uid)
                .Should()
                .BeFalse(
                    "seed {0}: {1} is still asked for a checkpoint after {2}, granted after {3}: {4}",
                    seed,
                    name,
                    enough,
                    before,
                    world.Log
                );
        }
        return busy;
    }

    /// <summary>Grants in Observe mode what a sentence names as enough to keep a workload running.</summary>
    internal static int EnoughToKeep(int seed)
    {
        var random = new Random(seed);
        var budget = Enforced(random);
        budget = budget with { Terms = budget.Terms with { Mode = EnforcementMode.Observe, Resume = (ResumePolicy)random.Next(2) } };
        var wait = TimeSpan.FromSeconds(random.Next(0, 600));
        var named = 0;
        foreach (var verdict in BudgetDecider.Decide(budget).Workloads)
        {
            var (uid, name) = (verdict.Key.Uid, verdict.Key.Name);
            verdict
                .Sentence.Contains("to at least", StringComparison.Ordinal)
                .Should()
                .Be(verdict.EnoughLimit is not null, "seed {0}: {1}: {2}", seed, name, verdict.Sentence);
            if (verdict.EnoughLimit is not { } enough)
                continue;
            named++;
            verdict
                .State.Should()
                .NotBe(WorkloadState.SuspendedByBudget, "seed {0}: nothing is resumed in Observe mode: {1}", seed, verdict.Sentence);
            foreach (var before in new[] { TimeSpan.Zero, wait })
            {
                var world = new LivingBudget(budget);
                for (var at = TimeSpan.Zero; at <= before; at += Pass)
                    world.Turn();
                world.Raise(enough);
                for (var turn = 0; turn < 24; turn++)
                    if (world.Turn().Workloads.FirstOrDefault(one => one.Key.Uid == uid) is { } now)
                        now.Sentence.Should()
                            .NotStartWith(
                                "Would be suspended",
                                "seed {0}: {1} was told that {2} is enough, granted after {3}: {4}",
                                seed,
                                name,
                                enough,
                                before,
                                world.Log
                            );
            }
        }
        return named;
    }

    internal static void Check(Action<int> holds, int runs) =>
        Prop.ForAll(Gen.Choose(0, int.MaxValue).ToArbitrary(), seed =>
            {
                holds(seed);
                return true;
            })
            .Check(Config.QuickThrowOnFailure.WithMaxTest(runs).WithQuietOnSuccess(true).WithReplay(20261129, 1));

    internal static BudgetSnapshot Enforced(Random random)
    {
        var budget = AnyBudget(random);
        var works = budget.Workloads.ToList();
        if (random.Next(3) == 0)
            works.Add(
                Job("notebook", 0) with
                {
                    Key = new("team", "Pod", "notebook", "uid-notebook"),
                    Class = WorkloadClass.Interactive,
                    NotSuspendable = "a bare pod",
                    BurnRate = HourlyCost.FromDecimal(random.Next(1, 20)),
                    Rate = HourlyCost.FromDecimal(20m),
                    Estimate = Bursar.Core.Forecast.Estimate.Unknown(""),
                }
            );
        // The world's own resumes are visible only in its state.
        works =
        [
            .. works.Select(work =>
                work.State == WorkloadState.SuspendedByBudget
                    ? work with
                    {
                        Suspension = work.Suspension! with { Limit = BudgetDecider.LimitOf(budget) },
                    }
                    : work
            ),
        ];
        return Windowed(
            budget with
            {
                Workloads = works,
                BurnRate = works.Aggregate(HourlyCost.Zero, (sum, work) => sum + work.BurnRate),
                Terms = budget.Terms with { Mode = EnforcementMode.Enforce, Resume = ResumePolicy.Automatic },
            },
            random
        );
    }

    /// <summary>
    /// The same budget in a window of any kind, at any moment of it. In a rolling window the spending is in a few stretches.
    /// </summary>
    private static BudgetSnapshot Windowed(BudgetSnapshot budget, Random random)
    {
        var now = budget.Now + TimeSpan.FromMinutes(random.Next(0, 12 * 60));
        WindowSpec spec = random.Next(8) switch
        {
            0 => new(WindowPeriod.Hour),
            1 => new(WindowPeriod.Day),
            2 => new(WindowPeriod.Week),
            3 => new(WindowPeriod.Once, Start: budget.Now.AddDays(-1), End: now.AddMinutes(random.Next(5, 48 * 60))),
            4 or 5 => new(WindowPeriod.Rolling, Length: TimeSpan.FromHours(new[] { 1, 6, 24, 168, 720 }[random.Next(5)])),
            _ => budget.Terms.Window,
        };
        var window = Window.At(spec, now);
        budget = budget with
        {
            Now = now,
            Window = window,
            Terms = budget.Terms with { Window = spec },
            Memory = budget.Memory with { WindowKey = window.Key },
        };
        if (spec.Period == WindowPeriod.Rolling)
        {
            var past = Enumerable
                .Range(0, random.Next(1, 5))
                .Select(_ =>
                {
                    var from = window.Start + window.Length * (random.NextDouble() * 0.98);
                    return new SpendSegment(
                        from,
                        from + (now - from) * (0.1 + random.NextDouble() * 0.9),
                        HourlyCost.FromDecimal(random.Next(1, 20))
                    );
                })
                .OrderBy(past => past.From)
                .ToArray();
            // About as much as the limit at most.
            var sum = RollingSum.At(past, window.Length, now);
            var most = BudgetDecider.LimitOf(budget).Percent(random.Next(0, 110));
            if (sum > most)
                past =
                [
                    .. past.Select(one =>
                        one with
                        {
                            RatePerHour = new((long)(one.RatePerHour.NanoPerHour * (double)most.Units / (double)sum.Units)),
                        }
                    ),
                ];
            budget = budget with { RollingSpend = past, Spent = RollingSum.At(past, window.Length, now) };
        }
        // Most were suspended in this very window.
        return budget with
        {
            Workloads =
            [
                .. budget.Workloads.Select(work =>
                    work.Suspension is { } suspended
                        ? work with
                        {
                            Suspension = suspended with
                            {
                                WindowKey = random.Next(6) == 0 ? "before" : window.Key,
                                Spent = random.Next(2) == 0 ? budget.Spent : null,
                            },
                        }
                        : work
                ),
            ],
        };
    }
}
