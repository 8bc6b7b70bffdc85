using Bursar.Core.Decisions;
using Bursar.Core.Forecast;
using Bursar.Core.Money;
using Bursar.Tests.TestKit;
using FsCheck;
using FsCheck.Fluent;
using static Bursar.Tests.TestKit.Given;

namespace Bursar.Tests.Unit.Core.Decisions;

public sealed class WhatWouldChangeTests
{
    private static readonly Amount Cent = Money(0.01m);

    [Fact]
    public void Suspended_job_names_the_limit_at_which_it_resumes()
    {
        // The high end (10.3 h at 3.06) with 5 % headroom and 40 s of stop is 33.128. The message adds 1 % and rounds to three digits.
        var budget = Budget(20, Job("big", 10).Suspended(20));

        var change = WhatWouldChange.For(budget, "uid-big").Should().ContainSingle().Subject;

        change.Should().Be(new Change.RaiseLimit(Money(13.50m), Money(33.50m)));
    }

    [Fact]
    public void Running_job_names_the_limit_at_which_it_is_suspended()
    {
        var budget = Budget(40, Job("big", 10)).Admitted(("big", 30.6m));

        WhatWouldChange.For(budget, "uid-big").Should().Equal(new Change.LowerLimit(Money(9.41m), Money(30.59m)));
    }

    [Fact]
    public void Job_that_lacks_only_a_cause_names_the_job_whose_end_is_one()
    {
        // Budget is available but nothing has changed since the suspension. The end of the other job is the missing cause.
        var budget = Budget(40, Job("small", 2), Job("held", 3).Suspended(40)).Admitted(("small", 6.12m));

        var changes = WhatWouldChange.For(budget, "uid-held");

        changes.Should().Contain(new Change.LetFinish(budget.Workloads[0].Key, Now.AddHours(2)));
        changes.Should().Contain(new Change.EndNow(budget.Workloads[0].Key, Money(6.12m)));
        changes.OfType<Change.NextWindow>().Should().ContainSingle();
    }

    [Fact]
    public void Job_larger_than_a_whole_window_is_not_referred_to_the_next()
    {
        var budget = Budget(4, Job("big", 5).Waiting() with { NoPodSince = Now });

        WhatWouldChange.For(budget, "uid-big").Should().ContainSingle().Which.Should().BeOfType<Change.RaiseLimit>();
    }

    [Fact]
    public void Running_job_at_the_limit_names_the_next_window()
    {
        var budget = Budget(40, Unknown("train")) with { Spent = Money(39.99m) };

        WhatWouldChange.For(budget, "uid-train").OfType<Change.NextWindow>().Should().ContainSingle();
    }

    [Fact]
    public void Waiting_job_names_the_job_whose_end_frees_enough()
    {
        var budget = Budget(40, Job("tiny", 1), Job("other", 9), Job("held", 4).Suspended(39)).Admitted(("tiny", 3.06m), ("other", 27.54m));

        var changes = WhatWouldChange.For(budget, "uid-held");

        changes.OfType<Change.EndNow>().Should().Equal(new Change.EndNow(budget.Workloads[1].Key, Money(27.54m)));
        changes.OfType<Change.LetFinish>().Should().BeEmpty("a job that ends as forecast frees only its own reservation");
    }

    [Fact]
    public void Workload_that_is_never_suspended_has_no_changes() =>
        WhatWouldChange.For(Budget(1, Job("free", 10) with { Exempt = true }), "uid-free").Should().BeEmpty();

    [Fact]
    public void Every_change_that_is_named_turns_the_verdict()
    {
        var named = new Dictionary<string, int>();
        Prop.ForAll(Gen.Choose(0, int.MaxValue).ToArbitrary(), seed =>
            {
                var budget = AnyBudget(new Random(seed));
                foreach (var work in budget.Workloads)
                {
                    var uid = work.Key.Uid;
                    var runs = WhatWouldChange.MayRun(budget, uid);
                    foreach (var change in WhatWouldChange.For(budget, uid))
                    {
                        named[change.GetType().Name] = named.GetValueOrDefault(change.GetType().Name) + 1;
                        WhatWouldChange
                            .MayRun(WhatWouldChange.Apply(budget, change, uid)!, uid)
                            .Should()
                            .Be(!runs, "seed {0}, {1}: {2}", seed, uid, change);
                        // The limit that the message names stays enough for a while; the smallest possible one would not.
                        if (
                            change is Change.RaiseLimit toRaise
                            && BudgetDecider
                                .Decide(budget with { Terms = budget.Terms with { Mode = EnforcementMode.Enforce } })
                                .Workloads.Single(verdict => verdict.Key.Uid == uid)
                                .EnoughLimit
                                is { } enough
                            && enough > BudgetDecider.LimitOf(budget)
                        )
                            toRaise
                                .To.Should()
                                .BeGreaterThanOrEqualTo(
                                    enough,
                                    "seed {0}, {1}: one amount is named everywhere, more only where it would not do",
                                    seed,
                                    uid
                                );
                        Change? less = change is Change.LowerLimit lower ? lower with { By = lower.By - Cent } : null;
                        if (less is not null)
                            WhatWouldChange
                                .MayRun(WhatWouldChange.Apply(budget, less, uid)!, uid)
                                .Should()
                                .Be(runs, "seed {0}, {1}: {2} is a cent less", seed, uid, less);
                    }
                }
                return true;
            })
            .Check(Config.QuickThrowOnFailure.WithMaxTest(200).WithQuietOnSuccess(true));
        named
            .Keys.Should()
            .Contain([nameof(Change.RaiseLimit), nameof(Change.LowerLimit), nameof(Change.EndNow), nameof(Change.NextWindow)]);
    }
}

public sealed class ReasoningTests
{
    [Fact]
    public void Reasoning_lists_workloads_in_decision_order_with_their_loss()
    {
        // Suspending either saves the same; the older one has just written a checkpoint.
        var saved = Job("saved", 10, minutesOld: 100) with { EstimateAfterResume = Settled(TimeSpan.FromHours(10.1)) };
        var unsaved = Job("unsaved", 10, minutesOld: 50) with { EstimateAfterResume = Settled(TimeSpan.FromHours(12)) };
        var budget = Budget(40, unsaved, saved, Job("held", 1).Suspended(40), Job("free", 1) with { Exempt = true })
            .Admitted(("saved", 30.6m), ("unsaved", 30.6m), ("free", 3.06m));

        var all = Reasoning.From(budget);

        all.Select(one => one.Verdict.Key.Name).Should().Equal("held", "saved", "unsaved", "free");
        all[0].ResumeOrder.Should().Be(1);
        all[1]
            .Should()
            .Match<WorkloadReasoning>(one =>
                one.SuspensionOrder == 1
                && one.Group == Victims.VictimGroup.InsideReservation
                && one.Lost == V100.For(TimeSpan.FromHours(0.1))
            );
        all[2].Lost.Should().Be(V100.For(TimeSpan.FromHours(2)));
        all[3].SuspensionOrder.Should().BeNull();
        BudgetDecider.Decide(budget).SuspendedNames().Should().Equal("saved");
        BudgetDecider
            .Decide(budget with { Terms = budget.Terms with { Victims = VictimOrder.LowestPriority } })
            .SuspendedNames()
            .Should()
            .Equal(["unsaved"], "it is the younger one");
        all[1].Changes.Should().ContainItemsAssignableTo<Change>().And.Contain(change => change is Change.RaiseLimit);
    }

    [Fact]
    public void Workload_without_a_known_checkpoint_loses_what_it_has_spent()
    {
        var blind = Unknown("blind") with { Spent = Money(7), EstimateAfterResume = Estimate.Unknown("") };

        Reasoning.From(Budget(40, blind)).Single().Lost.Should().Be(Money(7));
    }
}
