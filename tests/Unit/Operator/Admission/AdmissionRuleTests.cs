using Bursar.Core.Budgets;
using Bursar.Core.Decisions;
using Bursar.Core.Money;
using Bursar.Operator.Admission;

namespace Bursar.Tests.Unit.Operator.Admission;

public sealed class AdmissionRuleTests
{
    private static readonly DateTimeOffset Now = new(2026, 11, 21, 10, 0, 0, TimeSpan.Zero);
    private static readonly ReviewedWorkload Job = new("Job", 8, HourlyCost.FromDecimal(24.48m), TimeSpan.FromSeconds(30), null);
    private static readonly BudgetTerms Terms = new() { Limit = Amount.FromDecimal(500), Window = new(WindowPeriod.Month) };
    private static readonly ReviewedBudget Nlp = new(
        "gpubudget nlp",
        Terms,
        false,
        new(Amount.FromDecimal(487.70m), Amount.FromDecimal(500), "USD")
    );

    [Fact]
    public void New_job_is_gated_and_the_warning_names_the_amounts()
    {
        var verdict = Judge(Job, Nlp);
        verdict.Gate.Should().BeTrue();
        verdict.Warnings.Should().ContainSingle().Which.Should().ContainAll("nlp", "12.30 of 500.00 USD", "Job", "8 GPUs", "24.48 USD/h");
    }

    [Fact]
    public void Warning_omits_amounts_that_are_unknown()
    {
        Judge(Job with { Rate = null, Gpus = 1 }, Nlp)
            .Warnings.Single()
            .Should()
            .ContainAll("12.30 of 500.00 USD", "1 GPU ")
            .And.NotContain("/h");
        Judge(Job, Nlp with { Figures = null }).Warnings.Single().Should().ContainAll("8 GPUs", "24.48/h").And.NotContain("500.00");
        Judge(Job, Nlp with { Figures = new(Amount.FromDecimal(501), Amount.FromDecimal(500), "USD") })
            .Warnings.Single()
            .Should()
            .ContainAll("1.00 USD more", "500.00", "24.48 USD/h");
    }

    [Fact]
    public void Observing_budget_warns_and_gates_nothing()
    {
        var verdict = Judge(Job, Nlp with { Terms = Terms with { Mode = EnforcementMode.Observe } });
        verdict.Gate.Should().BeFalse();
        verdict.Warnings.Should().ContainSingle().Which.Should().ContainAll("the budget", "observes", "would be ");
        var switched = AdmissionRule.Judge(Job, [Nlp], observeOnly: true, Now);
        switched.Gate.Should().BeFalse();
        switched.Warnings.Should().ContainSingle().Which.Should().ContainAll("observe-only mode", "would be ");
    }

    private static readonly (ReviewedWorkload Work, ReviewedBudget Budget, string? Why)[] Judgements =
    [
        (Job with { TerminationGrace = TimeSpan.FromMinutes(16) }, Nlp, "longer than 15 minutes"),
        (Job with { TerminationGrace = TimeSpan.FromMinutes(15) }, Nlp, null),
        (Job with { WhyNot = "spec.managedBy is other" }, Nlp, "spec.managedBy is other"),
        (Job, Nlp with { Exempts = true }, "exempts it"),
        (Job, Nlp with { Terms = null }, "cannot be read"),
        (
            Job,
            Nlp with
            {
                Terms = Terms with { Window = new(WindowPeriod.Once, Start: Now.AddDays(1), End: Now.AddDays(2)) },
            },
            "has not started"
        ),
        (Job, Nlp with { Terms = Terms with { Window = new(WindowPeriod.Once, Start: Now.AddDays(-2), End: Now) } }, "has ended"),
        (Job, Nlp with { Terms = Terms with { Window = new(WindowPeriod.Once, Start: Now, End: Now.AddDays(2)) } }, null),
        (Job, Nlp with { Terms = Terms with { Window = new(WindowPeriod.Rolling, Length: TimeSpan.FromDays(7)) } }, null),
    ];

    public static TheoryData<int> Cases => [.. Enumerable.Range(0, Judgements.Length)];

    [Theory]
    [MemberData(nameof(Cases))]
    public void Workload_that_is_never_suspended_is_not_gated(int number)
    {
        var (work, budget, why) = Judgements[number];
        var verdict = Judge(work, budget);
        verdict.Gate.Should().Be(why is null);
        if (why is not null)
            verdict.Warnings.Should().ContainSingle().Which.Should().Contain(why);
    }

    [Fact]
    public void One_suspending_budget_gates_the_workload_and_each_one_warns()
    {
        var verdict = Judge(Job, Nlp with { Name = "a", Exempts = true }, Nlp with { Name = "b" });
        verdict.Gate.Should().BeTrue();
        verdict.Warnings.Should().HaveCount(2);
    }

    private static AdmissionVerdict Judge(ReviewedWorkload work, params ReviewedBudget[] budgets) =>
        AdmissionRule.Judge(work, budgets, observeOnly: false, Now);
}
