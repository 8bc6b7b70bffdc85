using Bursar.Core.Budgets;
using Bursar.Core.Decisions;
using Bursar.Core.Money;

namespace Bursar.Tests.Simulation;

/// <summary><c>mode: Observe</c> changes nothing, and its reports equal the actions of Enforce.</summary>
public sealed class ObserveTests
{
    private static readonly DateTimeOffset Start = new(2026, 11, 1, 0, 0, 0, TimeSpan.Zero);

    [Fact]
    public void Month_in_Observe_mode_reports_what_Enforce_would_do_up_to_its_first_action()
    {
        var told = new List<BudgetDecision>();
        var done = new List<BudgetDecision>();
        var observing = Month(EnforcementMode.Observe, told);
        var enforcing = Month(EnforcementMode.Enforce, done);
        observing.RunFor(TimeSpan.FromDays(30));
        enforcing.RunFor(TimeSpan.FromDays(30));

        observing.Operator.Stops.Should().BeEmpty();
        observing.Operator.Resumes.Should().BeEmpty();
        observing.Work.Should().OnlyContain(w => !w.Suspended && w.Runs == 0);
        told.Should().OnlyContain(d => d.Actions.Count == 0 && d.StaleRecords.Count == 0);
        told.Should()
            .Contain(d => d.Workloads.Any(w => w.Reason == Reasons.ProjectedOverBudget), "it reports what it would have suspended");
        told.Should().Contain(d => d.Spent > d.Limit, "no suspension stopped it");
        enforcing.Operator.Stops.Should().NotBeEmpty();

        var act = done.FindIndex(d => d.Actions.Count > 0);
        act.Should().BeGreaterThan(50, "a scenario in which something happens before");
        for (var i = 0; i <= act; i++)
            Text(told[i]).Should().Be(Text(done[i]), "decision {0}, {1:O}", i, done[i].At);
        // The messages equal those of the suspensions.
        foreach (var action in done[act].Actions)
            told[act].Workloads.Single(w => w.Key == action.Workload).Sentence.Should().Be(Messages.Observed(action.Sentence));
        told[act]
            .Observed.Select(action => (action.Workload, action.Reason))
            .Should()
            .Equal(done[act].Actions.Select(action => (action.Workload, action.Reason)));
        Golden.Check(observing);
    }

    private static ScenarioWorld Month(EnforcementMode mode, List<BudgetDecision> decisions)
    {
        var terms = new BudgetTerms
        {
            Limit = Amount.FromDecimal(60),
            Window = new(WindowPeriod.Month, "Europe/Berlin"),
            Settle = TimeSpan.Zero,
            Mode = mode,
        };
        var world = new ScenarioWorld(21, Start, terms).Node("node-1", "V100", 8, 3.06m);
        world.Operator.Decided += decisions.Add;
        for (var day = 0; day < 28; day++)
        {
            var (name, steps) = ($"nightly-{day:00}", 40_000 + day * 3_000);
            world.At(TimeSpan.FromDays(day) + TimeSpan.FromHours(2), w => w.Create(
                    new(name)
                    {
                        Steps = steps,
                        Jitter = 0.05,
                        ReportEvery = TimeSpan.FromMinutes(2),
                        Declared = TimeSpan.FromHours(1),
                    }
                ));
        }
        world.At(TimeSpan.FromDays(9), w => w.Create(
                new("slow")
                {
                    Steps = 60_000,
                    Slows = (20_000, 5),
                    ReportEvery = TimeSpan.FromMinutes(2),
                }
            ));
        return world;
    }

    /// <summary>The messages about the budget and each workload, without the difference between reported and done.</summary>
    private static string Text(BudgetDecision decision) =>
        $"{decision.At:O} spent {decision.Spent} reserved {decision.Reserved} bound {decision.OverspendBound}\n"
        + string.Join(
            '\n',
            decision.Workloads.Select(w => $"{w.Key.Name} {w.State} {w.Projected} {w.Reason}: {Messages.Observed(w.Sentence)}")
        )
        // A job that is left alone is a risk; one that is suspended is none.
        + string.Join(
            '\n',
            decision
                .Announcements.Where(a => a.Reason is not (Reasons.AtRisk or Reasons.WillSuspend))
                .Select(a => $"{a.Reason} {a.Key}: {a.Sentence}")
        );
}
