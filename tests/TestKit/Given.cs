using Bursar.Core.Budgets;
using Bursar.Core.Decisions;
using Bursar.Core.Forecast;
using Bursar.Core.Ledger;
using Bursar.Core.Money;

namespace Bursar.Tests.TestKit;

/// <summary>Builders for the snapshots of the tables: a budget of one month, V100s at 3.06, jobs of known length.</summary>
public static class Given
{
    public static readonly DateTimeOffset Now = new(2026, 11, 10, 12, 0, 0, TimeSpan.Zero);
    public static readonly HourlyCost V100 = HourlyCost.FromDecimal(3.06m);

    public static Amount Money(decimal amount) => Amount.FromDecimal(amount);

    public static BudgetTerms Terms(decimal limit, WindowPeriod period = WindowPeriod.Month) =>
        new()
        {
            Limit = Money(limit),
            Window = new(period),
            Settle = TimeSpan.Zero,
        };

    public static BudgetSnapshot Budget(BudgetTerms terms, params WorkloadSnapshot[] work) =>
        new()
        {
            Namespace = "team",
            Name = "nlp",
            Uid = "budget",
            Now = Now,
            Terms = terms,
            Window = Window.At(terms.Window, Now),
            Spent = work.Aggregate(Amount.Zero, (sum, w) => sum + w.Spent),
            BurnRate = work.Aggregate(HourlyCost.Zero, (sum, w) => sum + w.BurnRate),
            Workloads = work,
            // Seen an hour ago at this limit: nothing settles.
            Memory = new()
            {
                WindowKey = Window.At(terms.Window, Now).Key,
                FirstSeen = Now.AddHours(-1),
                LastLimit = terms.Limit,
            },
        };

    public static BudgetSnapshot Budget(decimal limit, params WorkloadSnapshot[] work) => Budget(Terms(limit), work);

    /// <summary>A running job on one V100 that needs <paramref name="hours"/> more.</summary>
    public static WorkloadSnapshot Job(string name, double hours, int priority = 0, int minutesOld = 10, decimal spent = 0) =>
        new()
        {
            Key = new("team", "Job", name, "uid-" + name),
            Class = WorkloadClass.Training,
            State = WorkloadState.Running,
            Priority = priority,
            CreatedAt = Now.AddMinutes(-minutesOld),
            Gpus = 1,
            Rate = V100,
            BurnRate = V100,
            Spent = Money(spent),
            Estimate = Settled(TimeSpan.FromHours(hours)),
        };

    public static WorkloadSnapshot Unknown(string name) =>
        Job(name, 0) with
        {
            Estimate = Estimate.Unknown("set bursar.dev/expected-duration or report progress"),
        };

    public static WorkloadSnapshot Waiting(this WorkloadSnapshot work) =>
        work with
        {
            State = WorkloadState.Pending,
            BurnRate = HourlyCost.Zero,
        };

    public static WorkloadSnapshot Serving(string name) =>
        Job(name, 0) with
        {
            Key = new("team", "Deployment", name, "uid-" + name),
            Class = WorkloadClass.Inference,
            Estimate = Estimate.Unknown(""),
        };

    public static WorkloadSnapshot Suspended(
        this WorkloadSnapshot work,
        decimal limit,
        string reason = Reasons.ProjectedOverBudget,
        string window = "2026-11",
        int minutesAgo = 5
    ) =>
        work with
        {
            State = WorkloadState.SuspendedByBudget,
            BurnRate = HourlyCost.Zero,
            Suspension = new()
            {
                Since = Now.AddMinutes(-minutesAgo),
                Reason = reason,
                WindowKey = window,
                Limit = Money(limit),
                Confirmed = true,
            },
        };

    public static Estimate Settled(TimeSpan mid) =>
        new(mid * 0.97, mid, mid * 1.03, EstimateSource.Progress, true, "0.09 s per step over 100 steps");

    public static Estimate Unsettled(TimeSpan low, TimeSpan mid) =>
        new(low, mid, mid * 2, EstimateSource.Progress, false, "0.09 s per step over 5 steps");

    /// <summary>Existing workloads are admitted at their present cost.</summary>
    public static BudgetSnapshot Admitted(this BudgetSnapshot budget, params (string Name, decimal Reserved)[] jobs) =>
        budget with
        {
            Memory = budget.Memory with
            {
                Admitted = jobs.ToDictionary(
                    j => "uid-" + j.Name,
                    j => new Admission(Money(j.Reserved), budget.Workloads.First(w => w.Key.Name == j.Name).Spent, Now.AddMinutes(-5), true)
                ),
            },
        };

    public static BudgetSnapshot Later(this BudgetSnapshot budget, TimeSpan time, BudgetMemory memory) =>
        budget with
        {
            Now = budget.Now + time,
            Memory = memory,
        };

    public static string[] SuspendedNames(this BudgetDecision decision) =>
        [.. decision.Actions.Where(a => a.Kind == ActionKind.Suspend).Select(a => a.Workload.Name)];

    public static string[] ResumedNames(this BudgetDecision decision) =>
        [.. decision.Actions.Where(a => a.Kind == ActionKind.Resume).Select(a => a.Workload.Name)];

    public static string ReasonOf(this BudgetDecision decision, string name) => decision.Workloads.Single(w => w.Key.Name == name).Reason;

    public static ConditionValue Condition(this BudgetDecision decision, string type) => decision.Conditions.Single(c => c.Type == type);

    /// <summary>Draws a budget with jobs and inference, some of it suspended, waiting or of unknown duration.</summary>
    public static BudgetSnapshot AnyBudget(Random random)
    {
        var jobs = Enumerable.Range(0, random.Next(1, 9)).Select(i => AnyWork($"work-{i}", random)).ToArray();
        var terms = Terms(random.Next(1, 60)) with
        {
            Mode = random.Next(8) == 0 ? EnforcementMode.Observe : EnforcementMode.Enforce,
            UnknownDuration = (UnknownDuration)random.Next(3),
            SuspendWhen = (SuspendWhen)random.Next(2),
            TolerancePercent = random.Next(3) * 5,
            Resume = random.Next(4) == 0 ? ResumePolicy.Manual : ResumePolicy.Automatic,
            WhenExhausted = (WhenExhausted)random.Next(2),
        };
        var budget = Budget(terms, jobs);
        var admitted = jobs.Where(_ => random.Next(2) == 0).Select(j => (j.Key.Name, (decimal)random.Next(1, 30))).ToArray();
        return random.Next(3) == 0 ? budget : budget.Admitted(admitted);
    }

    private static WorkloadSnapshot AnyWork(string name, Random random)
    {
        var work = random.Next(8) switch
        {
            0 => Unknown(name),
            1 => Serving(name) with { Rate = HourlyCost.FromDecimal(0.01m), BurnRate = HourlyCost.FromDecimal(0.01m) },
            2 => Job(name, 0) with
            {
                Estimate = Unsettled(TimeSpan.FromHours(random.NextDouble()), TimeSpan.FromHours(1 + random.NextDouble() * 5)),
            },
            3 => Job(name, random.NextDouble() * 8) with { Exempt = true },
            _ => Job(name, random.NextDouble() * 8),
        };
        work = work with { Priority = random.Next(3), CreatedAt = Now.AddMinutes(-random.Next(1, 100)), Spent = Money(random.Next(3)) };
        return random.Next(5) switch
        {
            0 => work.Waiting(),
            1 => work.Suspended(random.Next(1, 60)),
            _ => work,
        };
    }
}
