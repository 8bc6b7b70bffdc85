using Bursar.Core.Budgets;
using Bursar.Core.Decisions;
using Bursar.Core.Ledger;
using Bursar.Core.Money;
using Bursar.Tests.TestKit;
using static Bursar.Tests.TestKit.Given;

namespace Bursar.Tests.Unit.Core.Decisions;

/// <summary>A job that becomes slower and stays so is announced at once and suspended after the settle time.</summary>
public sealed class SuspensionNoticeTests
{
    private static readonly TimeSpan Settle = TimeSpan.FromMinutes(5);

    [Fact]
    public void Slowed_job_is_announced_and_suspended_after_the_settle_time()
    {
        var budget = Slowed(hours: 4);

        var first = BudgetDecider.Decide(budget);
        first.Actions.Should().BeEmpty();
        first.ReasonOf("train").Should().Be(Reasons.Settling);
        first.Workloads.Single().Sentence.Should().Contain("suspended at 2026-11-10 12:05 UTC");
        var announced = first.Announcements.Single(one => one.Reason == Reasons.WillSuspend);
        announced.About.Select(key => key.Name).Should().Equal("train");
        announced
            .Sentence.Should()
            .ContainAll("5 min", "2026-11-10 12:05 UTC", "Job/train will be suspended", "12.24 of 10.00 USD", "top-up for 2026-11");

        var meanwhile = BudgetDecider.Decide(budget.Later(Settle - TimeSpan.FromSeconds(1), first.Memory));
        meanwhile.Actions.Should().BeEmpty();
        meanwhile.Announcements.Should().NotContain(one => one.Reason == Reasons.WillSuspend, "it is announced once");
        BudgetDecider.Decide(budget.Later(Settle, meanwhile.Memory)).SuspendedNames().Should().Equal("train");
    }

    [Fact]
    public void Job_that_recovers_in_the_settle_time_keeps_running()
    {
        var first = BudgetDecider.Decide(Slowed(hours: 4));
        var recovered = BudgetDecider.Decide(Slowed(hours: 2).Later(TimeSpan.FromMinutes(1), first.Memory));

        recovered.Memory.SuspensionsAnnounced.Should().BeEmpty();
        BudgetDecider.Decide(Slowed(hours: 2).Later(Settle, recovered.Memory)).Actions.Should().BeEmpty();
    }

    [Fact]
    public void Job_is_suspended_at_once_where_the_budget_does_not_cover_the_settle_time()
    {
        // Five minutes cost 0.255, and everything else is spent or reserved for the other job.
        var budget = Slowed(hours: 4, Job("other", 2)).Admitted(("train", 6.12m), ("other", 6.12m)) with { Spent = Money(3.70m) };

        BudgetDecider.Decide(budget).SuspendedNames().Should().Equal("train");
        BudgetDecider.Decide(budget with { Spent = Money(3.50m) }).Actions.Should().BeEmpty();
    }

    [Fact]
    public void Job_that_an_announcement_has_named_before_is_suspended_at_once()
    {
        // It fits at its likely cost of 9.85 and not at its high one.
        var risk = BudgetDecider.Decide(Slowed(hours: 3.22));
        risk.Announcements.Should().Contain(one => one.Reason == Reasons.AtRisk && one.About.Any(key => key.Name == "train"));

        BudgetDecider.Decide(Slowed(hours: 4).Later(TimeSpan.FromMinutes(1), risk.Memory)).SuspendedNames().Should().Equal("train");
    }

    [Fact]
    public void Job_past_its_duration_beside_an_announced_one_is_not_suspended()
    {
        var budget = Slowed(hours: 4, Job("other", 0.5));
        budget = budget with { Terms = budget.Terms with { UnknownDuration = UnknownDuration.Hold } };
        var first = BudgetDecider.Decide(budget);
        first.Announcements.Single(one => one.Reason == Reasons.WillSuspend).About.Select(key => key.Name).Should().Equal("train");

        var past = budget with { Workloads = [.. budget.Workloads.Select(work => work.Key.Name == "other" ? Unknown("other") : work)] };
        BudgetDecider.Decide(past.Later(TimeSpan.FromMinutes(1), first.Memory)).Actions.Should().BeEmpty();
    }

    [Fact]
    public void New_job_gets_no_notice()
    {
        BudgetDecider.Decide(Slowed(hours: 2, Job("new", 3))).SuspendedNames().Should().Equal("new");
        // Its first measured step time gives a longer duration than it declared.
        BudgetDecider
            .Decide(Slowed(hours: 2, Job("new", 3, minutesOld: 9)).Admitted(("train", 6.12m), ("new", 1m)))
            .SuspendedNames()
            .Should()
            .Equal("new");
    }

    [Fact]
    public void Settle_time_of_a_lowered_limit_is_not_given_twice()
    {
        var budget = Slowed(hours: 2);
        var lowered = BudgetDecider.Decide(budget with { Terms = budget.Terms with { Limit = Money(5m) } });
        lowered.Announcements.Should().Contain(one => one.Reason == Reasons.WillSuspend);

        BudgetDecider
            .Decide((budget with { Terms = budget.Terms with { Limit = Money(5m) } }).Later(Settle, lowered.Memory))
            .SuspendedNames()
            .Should()
            .Equal("train");
    }

    [Fact]
    public void Explained_limit_does_not_depend_on_the_settle_time()
    {
        WhatWouldChange
            .For(Slowed(hours: 2), "uid-train")
            .Should()
            .Equal(WhatWouldChange.For(Slowed(hours: 2) with { Terms = Terms(10m) }, "uid-train"))
            .And.NotBeEmpty();
    }

    /// <summary>A job that was admitted with two hours and now needs the given hours.</summary>
    private static BudgetSnapshot Slowed(double hours, params WorkloadSnapshot[] others) =>
        Budget(Terms(10m) with { Settle = Settle }, [Job("train", hours), .. others]).Admitted(("train", 6.12m));
}
