using Bursar.Core.Budgets;
using Bursar.Core.Decisions;
using Bursar.Core.Money;
using Bursar.Tests.TestKit;
using static Bursar.Tests.TestKit.Given;

namespace Bursar.Tests.Unit.Core.Decisions;

public sealed class LimitTests
{
    [Fact]
    public void Limit_suspends_everything_suspendable_before_it_is_crossed()
    {
        // 40 s of stop at 3.06/h are 0.034 each.
        var work = new[] { Job("a", 1), Unknown("b"), Serving("chat"), Job("waits", 1).Waiting() };
        var terms = Terms(10m) with { WhenExhausted = WhenExhausted.Zero };
        var decision = BudgetDecider.Decide(Budget(terms, work) with { Spent = Money(9.898m) });

        decision.OverspendBound.Should().Be(Money(0.102m));
        decision.SuspendedNames().Should().BeEquivalentTo("a", "b", "chat", "waits");
        decision
            .Actions.Should()
            .OnlyContain(a => a.Reason == Reasons.BudgetExhausted && !a.ByForecast && a.Sentence.Contains("9.90 of 10.00 USD"));
        decision.State.Should().Be(Reasons.Exhausted);

        BudgetDecider.Decide(Budget(terms, Unknown("b")) with { Spent = Money(9.965m) }).Actions.Should().BeEmpty();
    }

    /// <summary>Nothing stops the pods of a deleted job any earlier, so the others are stopped so much earlier.</summary>
    [Fact]
    public void Limit_and_its_bound_count_the_pods_of_deleted_workloads()
    {
        var budget = Budget(10m, Unknown("a")) with { Spent = Money(9.9m) };
        BudgetDecider.Decide(budget).Should().Match<BudgetDecision>(one => one.Actions.Count == 0 && one.OverspendBound == Money(0.034m));

        var decision = BudgetDecider.Decide(budget with { Ending = Money(0.07m) });

        decision.OverspendBound.Should().Be(Money(0.104m));
        decision.SuspendedNames().Should().Equal("a");
    }

    [Fact]
    public void Limit_applies_despite_stale_metering_settle_time_or_breaker()
    {
        var terms = Terms(10m) with { Settle = TimeSpan.FromHours(1) };
        var budget = Budget(terms, Job("done-soon", 0.0001), Job("b", 1)) with
        {
            Spent = Money(10m),
            MeteringStale = "node gpu-1 is lost",
            BreakerAllowance = 0,
            Memory = new(),
        };

        BudgetDecider.Decide(budget).SuspendedNames().Should().BeEquivalentTo("done-soon", "b");
    }

    /// <summary>
    /// gpu-budget-operator forgets suspensions when its phase becomes Unknown ("sticky enforcement lost"). Bursar keeps them.
    /// </summary>
    [Fact]
    public void Suspended_job_stays_suspended_while_metering_is_unknown()
    {
        var suspended = Job("train", 1).Suspended(limit: 2m, window: "2026-10");
        var decision = BudgetDecider.Decide(Budget(100m, suspended) with { MeteringStale = "the cache is not synced" });

        decision.Actions.Should().BeEmpty();
        decision.ReasonOf("train").Should().Be(Reasons.ForecastPaused);
    }

    [Fact]
    public void Observing_budget_takes_no_action_and_reports_the_same_reason()
    {
        var budget = Budget(1m, Job("train", 10));
        foreach (
            var watching in new[]
            {
                Budget(Terms(1m) with { Mode = EnforcementMode.Observe }, Job("train", 10)),
                budget with
                {
                    ObserveOnly = true,
                },
            }
        )
        {
            var decision = BudgetDecider.Decide(watching);
            decision.Actions.Should().BeEmpty();
            decision.ReasonOf("train").Should().Be(Reasons.ProjectedOverBudget);
            decision.State.Should().Be(Reasons.Observing);
        }
    }

    [Fact]
    public void Once_window_acts_neither_before_its_start_nor_after_its_end()
    {
        BudgetTerms Once(double from, double to) =>
            Terms(1m) with
            {
                Window = new(WindowPeriod.Once, Start: Now.AddDays(from), End: Now.AddDays(to)),
            };

        var before = BudgetDecider.Decide(Budget(Once(1, 2), Job("train", 100)));
        before.Should().Match<BudgetDecision>(d => d.State == Reasons.NotStarted && d.Actions.Count == 0 && d.Reserved == Amount.Zero);

        var after = BudgetDecider.Decide(Budget(Once(-2, -1), Job("train", 100), Job("held", 0.1).Suspended(0.5m, window: "once")));
        after
            .Should()
            .Match<BudgetDecision>(d => d.State == Reasons.Expired && d.Actions.Count == 0 && d.Unstoppable.UntilWindowEnd == Amount.Zero);
    }

    [Fact]
    public void Interrupted_suspension_completes_as_it_was_decided()
    {
        // The operator crashed between the write of the ledger and the suspension. The job would fit by now, but a crash must not bypass
        // the budget.
        var cut = Job("train", 1).Suspended(limit: 2m) with { State = WorkloadState.Running, BurnRate = V100 };
        cut = cut with { Suspension = cut.Suspension! with { Confirmed = false } };

        var action = BudgetDecider.Decide(Budget(100m, cut) with { BreakerAllowance = 0 }).Actions.Should().ContainSingle().Subject;
        action
            .Should()
            .Match<BudgetAction>(a =>
                a.Kind == ActionKind.Suspend && a.Reason == Reasons.ProjectedOverBudget && a.Suspension == cut.Suspension
            );
    }

    [Fact]
    public void Job_resumed_by_others_is_suspended_again_only_if_it_does_not_fit()
    {
        var undone = Job("train", 1).Suspended(limit: 2m) with { State = WorkloadState.Running, BurnRate = V100 };

        var again = BudgetDecider.Decide(Budget(2m, undone)).Actions.Should().ContainSingle().Subject;
        again.Reason.Should().Be(Reasons.SuspendedAgain);
        again.Suspension!.Since.Should().Be(undone.Suspension!.Since, "it keeps its place in the order of resumes");

        var fits = BudgetDecider.Decide(Budget(100m, undone));
        fits.Actions.Should().BeEmpty();
        fits.StaleRecords.Should().Equal(undone.Key);
    }

    [Fact]
    public void Field_reverted_twice_in_ten_minutes_is_contested()
    {
        WorkloadSnapshot Undone(params int[] minutesAgo)
        {
            var work = Job("train", 1).Suspended(limit: 2m) with { State = WorkloadState.Running, BurnRate = V100 };
            return work with
            {
                Suspension = work.Suspension! with { Reverted = [.. minutesAgo.Select(m => Now.AddMinutes(-m))], RevertedBy = "argocd" },
            };
        }

        var fought = BudgetDecider.Decide(Budget(2m, Undone(3, 1)));
        fought.Actions.Should().BeEmpty();
        fought.Condition("Contested").Message.Should().Contain("Job/train (by argocd)");
        fought.StaleRecords.Should().BeEmpty();

        BudgetDecider.Decide(Budget(2m, Undone(9, 5))).SuspendedNames().Should().Equal("train");
        BudgetDecider.Decide(Budget(2m, Undone(1))).SuspendedNames().Should().Equal("train");
        BudgetDecider.Decide(Budget(2m, Undone(11, 1))).SuspendedNames().Should().Equal("train");
    }

    [Fact]
    public void Highest_crossed_threshold_is_announced_once_and_re_arms_below()
    {
        var memory = new BudgetMemory();
        string[] At(decimal spent)
        {
            var decision = BudgetDecider.Decide(Budget(100m) with { Spent = Money(spent), Memory = memory });
            memory = decision.Memory;
            return
            [
                .. decision.Announcements.Where(a => a.Reason == Reasons.ThresholdReached && a.Key.Contains("spent")).Select(a => a.Key),
            ];
        }

        At(49.99m).Should().BeEmpty();
        At(85m).Should().Equal("2026-11/spent/80");
        At(86m).Should().BeEmpty();
        At(76m).Should().BeEmpty();
        At(81m).Should().BeEmpty("76 is not five points below 80");
        At(75m).Should().BeEmpty();
        At(80m).Should().Equal("2026-11/spent/80");
        At(100m).Should().Equal("2026-11/spent/100");
    }

    [Fact]
    public void Unsettled_estimate_announces_no_threshold()
    {
        var wild = Job("train", 0) with { Estimate = Unsettled(TimeSpan.FromHours(1), TimeSpan.FromHours(1_000)) };
        BudgetDecider.Decide(Budget(100m, wild)).Announcements.Should().BeEmpty();
    }

    [Fact]
    public void Workload_without_a_price_is_reported_and_not_counted()
    {
        var decision = BudgetDecider.Decide(
            Budget(1m, Job("train", 10) with { Rate = null, BurnRate = HourlyCost.Zero }) with
            {
                UnpricedProducts = ["Voodoo-2"],
            }
        );

        decision.Actions.Should().BeEmpty();
        decision.ReasonOf("train").Should().Be(Reasons.Unpriced);
        decision.Condition("PricesTrusted").Message.Should().Contain("Voodoo-2");
    }
}
