using Bursar.Core.Budgets;
using Bursar.Core.Decisions;
using Bursar.Core.Money;
using Bursar.Tests.TestKit;
using static Bursar.Tests.TestKit.Given;

namespace Bursar.Tests.Unit.Core.Decisions;

/// <summary>Every way in which budget becomes available. In each case, a suspended job that did not fit resumes.</summary>
public sealed class ResumeCauseTests
{
    private static readonly WorkloadSnapshot Subject = Job("held", 2);

    /// <summary>The snapshot before and the change; the reason is null if ten minutes alone must suffice.</summary>
    private static readonly Dictionary<
        string,
        (Func<BudgetSnapshot> Before, Func<BudgetSnapshot, BudgetSnapshot> Change, string Reason)
    > Causes = new()
    {
        ["limit"] = (Full, budget => budget with { Terms = budget.Terms with { Limit = Money(40) } }, Reasons.BudgetRaised),
        ["limit that fell and rose again"] = (
            () => Full() with { Memory = Full().Memory with { LastLimit = Money(5) } },
            budget => budget with { Terms = budget.Terms with { Limit = Money(19.5m) }, Spent = Money(10) },
            Reasons.BudgetRaised
        ),
        ["top-up"] = (
            Full,
            budget => budget with { Terms = budget.Terms with { TopUps = [new(Money(20), "2026-11", "")] } },
            Reasons.BudgetRaised
        ),
        ["window"] = (
            Full,
            budget =>
                budget with
                {
                    Window = Window.At(budget.Terms.Window, budget.Window.End),
                    Now = budget.Window.End,
                    Spent = Amount.Zero,
                },
            Reasons.NewWindow
        ),
        ["another window period"] = (
            Full,
            budget =>
                budget with
                {
                    Terms = budget.Terms with { Window = new(WindowPeriod.Day) },
                    Window = Window.At(new(WindowPeriod.Day), budget.Now),
                    Spent = Money(1),
                },
            Reasons.NewWindow
        ),
        ["ended work"] = (() => Runs(Job("other", 4)), budget => Without(budget, "other"), Reasons.BudgetAvailable),
        ["ended inference"] = (
            () => Runs(Serving("chat") with { Rate = HourlyCost.FromDecimal(0.03m), BurnRate = HourlyCost.FromDecimal(0.03m) }),
            budget => Without(budget, "chat"),
            Reasons.BudgetAvailable
        ),
        ["fewer inference replicas"] = (
            () => Runs(Serving("chat") with { Rate = HourlyCost.FromDecimal(0.03m), BurnRate = HourlyCost.FromDecimal(0.03m) }),
            budget => With(budget, Serving("chat") with { Rate = HourlyCost.FromDecimal(0.01m), BurnRate = HourlyCost.FromDecimal(0.01m) }),
            Reasons.BudgetAvailable
        ),
        ["price of the past corrected"] = (Full, budget => budget with { Spent = Money(9) }, Reasons.BudgetAvailable),
        ["lower price"] = (
            Full,
            budget => With(budget, SuspendedIn(budget) with { Rate = HourlyCost.FromDecimal(0.3m) }),
            Reasons.CostFell
        ),
        ["fewer GPUs"] = (
            () => Full(Subject with { Gpus = 2, Rate = V100 * 2, BurnRate = V100 * 2 }),
            budget => With(budget, SuspendedIn(budget) with { Gpus = 1, Rate = HourlyCost.FromDecimal(0.4m) }),
            Reasons.CostFell
        ),
        ["exemption"] = (Full, budget => With(budget, SuspendedIn(budget) with { Exempt = true }), Reasons.Released),
        ["selector"] = (() => Runs(Job("other", 4)), budget => Without(budget, "other") with { Spent = Money(5) }, Reasons.BudgetAvailable),
        ["repaired record"] = (Full, budget => budget with { Spent = Money(2) }, Reasons.BudgetAvailable),
        ["another budget's suspension of work that is counted here"] = (
            () => Runs(Job("other", 4)),
            budget => With(budget, Job("other", 4).Waiting() with { OtherBudgets = "budget b", NoPodSince = Now.AddMinutes(-20) }),
            Reasons.FitsAgain
        ),
        ["other work's estimate fell"] = (() => Runs(Job("other", 4)), budget => With(budget, Job("other", 0.2)), Reasons.FitsAgain),
        ["its own estimate fell"] = (
            Full,
            budget => With(budget, SuspendedIn(budget) with { Estimate = Settled(TimeSpan.FromMinutes(10)) }),
            Reasons.FitsAgain
        ),
        ["approval"] = (
            Full,
            budget => With(budget with { Spent = Money(5) }, SuspendedIn(budget) with { ResumeApproved = true }),
            Reasons.Approved
        ),
        ["its length became known"] = (
            () => Suspended(Budget(Terms(100m) with { UnknownDuration = UnknownDuration.Hold }, Unknown("held"))),
            budget => With(budget, SuspendedIn(budget) with { Estimate = Settled(TimeSpan.FromHours(1)) }),
            Reasons.DurationKnown
        ),
        ["rolling window forgets"] = (
            () =>
                Suspended(
                    Budget(Terms(20m) with { Window = new(WindowPeriod.Rolling, Length: TimeSpan.FromHours(24)) }, Subject) with
                    {
                        Spent = Money(15),
                    }
                ),
            budget => budget with { Spent = Money(5) },
            Reasons.SpendRolledOff
        ),
    };

    public static TheoryData<string> Names => [.. Causes.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public void Suspended_job_resumes_when_budget_becomes_available(string cause)
    {
        var (before, change, reason) = Causes[cause];
        var budget = before();
        var waits = BudgetDecider.Decide(budget);
        waits.ResumedNames().Should().BeEmpty("nothing has happened yet");
        budget = change(budget.Later(TimeSpan.FromSeconds(5), waits.Memory));

        var decision = BudgetDecider.Decide(budget);
        if (reason == Reasons.FitsAgain)
        {
            decision.Actions.Should().BeEmpty("a jump of the estimate is no cause");
            decision = BudgetDecider.Decide(budget.Later(ResumeRule.FitsFor, decision.Memory));
        }
        decision
            .Actions.Should()
            .Contain(action => action.Kind == ActionKind.Resume && action.Workload.Name == "held" && action.Reason == reason);
    }

    [Fact]
    public void Job_that_fits_only_at_times_does_not_resume()
    {
        var budget = With(Full(), SuspendedIn(Full()) with { Estimate = Settled(TimeSpan.FromMinutes(10)) });
        var memory = budget.Memory;
        for (var turn = 0; turn < 240; turn++)
        {
            // Every five minutes, the job briefly does not fit.
            var decision = BudgetDecider.Decide(
                (turn % 60 == 59 ? budget with { Spent = Money(19.9m) } : budget) with
                {
                    Now = Now.AddSeconds(5 * turn),
                    Memory = memory,
                }
            );
            memory = decision.Memory;
            decision.Actions.Should().BeEmpty();
        }
    }

    private static BudgetSnapshot Full() => Full(Subject);

    /// <summary>The job needs 6.7 and 5 are left.</summary>
    private static BudgetSnapshot Full(WorkloadSnapshot held) => Suspended(Budget(20m, held) with { Spent = Money(15) });

    private static BudgetSnapshot Runs(WorkloadSnapshot other) =>
        Suspended(Budget(20m, Subject, other).Admitted((other.Key.Name, 14m)) with { Spent = Money(5) });

    /// <summary>The budget after the job was suspended.</summary>
    private static BudgetSnapshot Suspended(BudgetSnapshot budget)
    {
        var decision = BudgetDecider.Decide(budget);
        var action = decision.Actions.Should().ContainSingle(one => one.Kind == ActionKind.Suspend && one.Workload.Name == "held").Subject;
        return With(
            budget with
            {
                Memory = decision.Memory,
            },
            budget.Workloads.Single(work => work.Key.Name == "held") with
            {
                State = WorkloadState.SuspendedByBudget,
                BurnRate = HourlyCost.Zero,
                Suspension = action.Suspension! with { Confirmed = true },
            }
        );
    }

    private static WorkloadSnapshot SuspendedIn(BudgetSnapshot budget) => budget.Workloads.Single(work => work.Key.Name == "held");

    private static BudgetSnapshot With(BudgetSnapshot budget, WorkloadSnapshot changed) =>
        budget with
        {
            Workloads = [.. budget.Workloads.Where(work => work.Key.Name != changed.Key.Name), changed],
        };

    private static BudgetSnapshot Without(BudgetSnapshot budget, string name) =>
        budget with
        {
            Workloads = [.. budget.Workloads.Where(work => work.Key.Name != name)],
        };
}
