using System.Globalization;
using Bursar.Core.Forecast;
using Bursar.Core.Money;

namespace Bursar.Core.Decisions;

/// <summary>
/// The sentences people read in Events, status and <c>bursar explain</c>: what happened, with the amounts, why, and what
/// it would take to go on.
/// </summary>
public static class Sentences
{
    public static string Overrun(ChargedWork item, BudgetSnapshot budget, Balance balance, Amount needed)
    {
        var whole = item.Work.Spent + item.Charge.Tested;
        var raise = item.Charge.Tested > Amount.Zero ? Amount.Max(needed, balance.Spent + balance.Floor + ResumeRule.Needed(item, budget)) : needed;
        return $"Its run is projected at {Money(whole)} {budget.Currency} ({Length(item)}), of which {Money(item.Work.Spent)} is spent; "
            + $"budget {budget.Name} has {Money(balance.Limit - balance.Spent)} of {Money(balance.Limit)} left in {budget.Window.Key}"
            + (needed - whole > balance.Spent - item.Work.Spent ? $", and all its work together needs {Money(needed)}" : "")
            + $". It resumes when the limit is {Ceiling(raise)} or more, when other work frees the money, or in the next window ({Day(budget.Window.End)}).";
    }

    public static string Exhausted(ChargedWork item, BudgetSnapshot budget, Balance balance) =>
        $"Budget {budget.Name} is exhausted: {Money(balance.Spent)} of {Money(balance.Limit)} {budget.Currency} is spent in {budget.Window.Key} and stopping costs up to {Money(balance.OverspendBound)}. "
        + $"This work spent {Money(item.Work.Spent)} and burns {item.Work.Rate}/h. It comes back when the limit is raised or in the next window ({Day(budget.Window.End)}).";

    public static string HeldUnknown(ChargedWork item, BudgetSnapshot budget) =>
        $"Nothing tells how long it runs, and budget {budget.Name} holds such work (unknownDuration: Hold). It costs {item.Work.Rate}/h {budget.Currency}. "
        + "Set bursar.dev/expected-duration on it to let it go on.";

    public static string Settling(ChargedWork item, BudgetSnapshot budget, BudgetMemory memory) =>
        $"It would overrun budget {budget.Name} and was running before the budget said so: it is left alone until {Time(memory.SettleUntil!.Value)}.";

    public static string WillSuspend(IReadOnlyCollection<ChargedWork> items, BudgetSnapshot budget, Balance balance, Amount needed, BudgetMemory memory) =>
        $"{Money(needed)} {budget.Currency} is projected and {Money(balance.Limit)} is the limit: "
        + $"from {Time(memory.SettleUntil!.Value)} on work is parked to close the gap, first among {string.Join(", ", items.Take(5).Select(i => i.Work.Key.Name))}.";

    public static string NeverFits(ChargedWork item, BudgetSnapshot budget, Balance balance) =>
        $"It needs {Money(item.Charge.High)} {budget.Currency} ({Length(item)}), more than a whole window of budget {budget.Name} ({Money(balance.Limit)}): raise the limit or make it shorter.";

    public static string WaitsForApproval(ChargedWork item, BudgetSnapshot budget) =>
        $"Resumes of budget {budget.Name} are manual: set bursar.dev/resume: approved on it.";

    public static string Waits(ChargedWork item, BudgetSnapshot budget, Balance balance, Amount needed, Amount held) =>
        $"It needs {Money(needed)} {budget.Currency} with headroom ({Length(item)}); {Money(balance.Limit - balance.Spent - balance.Floor - held)} is free in budget {budget.Name}. "
        + $"It resumes at a limit of {Ceiling(balance.Spent + balance.Floor + held + needed)} or in the next window ({Day(budget.Window.End)}).";

    public static string Resumed(ChargedWork item, BudgetSnapshot budget, Balance balance, Amount needed, string cause) =>
        $"Resumed ({Cause(cause)}): it needs {Money(needed)} {budget.Currency} with headroom ({Length(item)}), and budget {budget.Name} has {Money(balance.Limit - balance.Spent)} of {Money(balance.Limit)} left in {budget.Window.Key}.";

    public static string Threshold(string basis, int percent, Amount amount, BudgetSnapshot budget, Balance balance) =>
        $"{Money(amount)} of {Money(balance.Limit)} {budget.Currency} is {basis} in {budget.Window.Key}: {percent} % is reached.";

    /// <summary>Why a workload is left as it is.</summary>
    public static string Kept(ChargedWork item, string reason, BudgetSnapshot budget) => item.Work switch
    {
        { State: WorkloadState.Suspended } => "Suspended by someone else: Bursar does not touch it.",
        { State: WorkloadState.Parked } => $"Parked since {Time(item.Work.Parked!.Since)}.",
        { Rate: null } => "No price matches its GPUs: it is not counted.",
        { NotParkable: { } why } => $"Counted, and cannot be parked: {why}.",
        { Exempt: true } => $"Exempt: counted, never parked; {Length(item)}.",
        { Class: WorkClass.Inference } when !item.Parkable => $"Inference floor: {item.Work.Rate}/h stays to the window's end.",
        { Class: WorkClass.Inference } => $"Runs at {item.Work.Rate}/h until the money ends.",
        _ when reason == Reasons.Expired => "The budget's window has ended: it admits nothing and parks nothing.",
        _ when reason == Reasons.NotStarted => "The budget's window has not started.",
        _ when Balance.Lends(item.Work, budget) => "Without a bound pod for ten minutes: its reservation is lent to others.",
        _ => $"Fits: {Length(item)}.",
    };

    private static string Length(ChargedWork item) => item.Work.Class == WorkClass.Inference
        ? $"{item.Work.Rate}/h for its replicas"
        : item.Work.Estimate.IsKnown
            ? $"{Span(item.Work.Estimate.Mid)} left at {item.Work.Rate}/h, {(item.Work.Estimate.Source == EstimateSource.Progress ? "by progress, " : "")}{item.Work.Estimate.Detail}"
            : $"length unknown: {item.Work.Estimate.Detail}; {item.Work.Rate}/h";

    private static string Cause(string reason) => reason switch
    {
        Reasons.NewWindow => "a new window began",
        Reasons.BudgetRaised => "the budget was raised",
        Reasons.MoneyFreed => "work that ended freed money",
        Reasons.MoneyRolledOff => "older spending left the rolling window",
        Reasons.Approved => "approved",
        _ => "it fits now",
    };

    private static string Money(Amount amount) => amount.ToShortString();

    /// <summary>Rounded up to a cent: "2.30 or more" must be enough when 2.295 is needed.</summary>
    private static string Ceiling(Amount amount)
    {
        var cent = Amount.FromDecimal(0.01m).Units;
        return new Amount((amount.Units + cent - 1) / cent * cent).ToShortString();
    }

    private static string Span(TimeSpan span) => span.TotalHours >= 48
        ? string.Create(CultureInfo.InvariantCulture, $"{span.TotalDays:0.#} d")
        : span.TotalHours >= 3 ? string.Create(CultureInfo.InvariantCulture, $"{span.TotalHours:0.#} h")
        : string.Create(CultureInfo.InvariantCulture, $"{span.TotalSeconds:0} s");

    private static string Time(DateTimeOffset at) => at.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);

    private static string Day(DateTimeOffset at) => at.UtcDateTime.ToString("yyyy-MM-dd HH:mm'Z'", CultureInfo.InvariantCulture);
}
