using Bursar.Core.Decisions;
using Bursar.Core.Ledger;
using Bursar.Tests.TestKit;

namespace Bursar.Tests.Unit.Core.Decisions;

public sealed class SuspensionCheckTests
{
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(30);

    /// <summary>A job that was suspended at a limit of 1 but whose pods still run.</summary>
    private static WorkloadSnapshot Ignored =>
        Given.Job("train", 2) with
        {
            RunsOn = true,
            IgnoresSuspension = true,
            NotSuspendable = "its pods have run on",
            Suspension = new()
            {
                Since = Given.Now.AddHours(-1),
                Reason = Reasons.BudgetExhausted,
                WindowKey = "2026-11",
                Limit = Given.Money(1),
            },
        };

    [Theory]
    [InlineData(149, false)]
    [InlineData(150, false)]
    [InlineData(151, true)]
    public void Suspension_is_not_followed_after_its_grace_and_two_minutes(int seconds, bool expected)
    {
        var memory = new BudgetMemory { RunsOn = new Dictionary<string, RunsOn> { ["u"] = new(Given.Now) } };
        (SuspensionCheck.NotFollowedSince(memory, "u", Grace, Given.Now.AddSeconds(seconds)) is not null).Should().Be(expected);
    }

    [Fact]
    public void Workload_that_runs_on_is_unstoppable_and_counts_at_its_rate()
    {
        var decision = BudgetDecider.Decide(Given.Budget(1, Ignored));

        decision.ReasonOf("train").Should().Be(Reasons.SuspensionNotFollowed);
        decision.Unstoppable.Workloads.Should().Equal("Job/train");
        decision.Condition("FullyEnforceable").Status.Should().BeFalse();
        decision.Projected.Should().Be(Given.Money(6.12m));
        decision.Actions.Should().BeEmpty();
        decision.StaleRecords.Should().BeEmpty("its record has the original value");
    }

    [Fact]
    public void Workload_that_runs_on_is_resumed_when_the_limit_is_raised() =>
        BudgetDecider.Decide(Given.Budget(100, Ignored)).ResumedNames().Should().Equal("train");

    [Fact]
    public void Workload_that_runs_on_stays_suspended_without_a_cause() =>
        BudgetDecider
            .Decide(Given.Budget(100, Ignored with { Suspension = Ignored.Suspension! with { Limit = Given.Money(100) } }))
            .Actions.Should()
            .BeEmpty();

    [Fact]
    public void Events_come_at_once_and_then_with_growing_pauses()
    {
        var memory = Given.Budget(1).Memory;
        var told = new List<double>();
        for (var minute = 0; minute <= 600; minute++)
        {
            var now = Given.Now.AddMinutes(minute);
            var ignored = SuspensionCheck.NotFollowedSince(memory, "uid-train", Grace, now) is not null;
            var decision = BudgetDecider.Decide(
                Given.Budget(
                    1,
                    Ignored with
                    {
                        IgnoresSuspension = ignored,
                        NotSuspendable = ignored ? "it runs on" : null,
                        State = ignored ? WorkloadState.Running : WorkloadState.SuspendedByBudget,
                    }
                ) with
                {
                    Now = now,
                    Memory = memory,
                }
            );
            told.AddRange(decision.Announcements.Where(a => a.Reason == Reasons.SuspensionNotFollowed).Select(a => (double)minute));
            memory = decision.Memory;
        }

        told.Should().Equal(3, 13, 33, 73, 153, 313);
    }

    [Fact]
    public void Suspension_that_takes_effect_late_is_announced()
    {
        var before = BudgetDecider.Decide(
            Given.Budget(1, Ignored) with
            {
                Memory = Given.Budget(1).Memory with
                {
                    RunsOn = new Dictionary<string, RunsOn> { ["uid-train"] = new(Given.Now.AddHours(-1), 1) },
                },
            }
        );

        var after = BudgetDecider.Decide(Given.Budget(1, Given.Job("train", 2).Suspended(1)) with { Memory = before.Memory });

        after
            .Announcements.Should()
            .ContainSingle(a =>
                a.Reason == Reasons.SuspensionFollowed && a.Workload == new WorkloadKey("team", "Job", "train", "uid-train")
            );
        after.Memory.RunsOn.Should().BeEmpty();
    }

    [Fact]
    public void Released_budget_suspends_nothing_and_announces_it_once()
    {
        var released = Given.Budget(1, Given.Job("train", 2)) with { ReleasedAt = Given.Now.AddMinutes(-1) };

        var decision = BudgetDecider.Decide(released);

        decision.Actions.Should().BeEmpty();
        decision.State.Should().Be(Reasons.EnforcementReleased);
        decision.Announcements.Should().ContainSingle(a => a.Reason == Reasons.EnforcementReleased);
        var next = BudgetDecider.Decide(released.Later(TimeSpan.FromSeconds(5), decision.Memory));
        next.Announcements.Should().BeEmpty();
        BudgetDecider
            .Decide(released.Later(TimeSpan.FromSeconds(5), next.Memory) with { ReleasedAt = null })
            .Announcements.Should()
            .ContainSingle(a => a.Reason == Reasons.EnforcementRestored);
    }
}
