using Bursar.Core.Budgets;
using Bursar.Core.Ledger;
using Bursar.Core.Money;

namespace Bursar.Core.Decisions;

/// <summary>The messages of requests and grants: Events, and the condition Granted of a request.</summary>
public static class GrantMessages
{
    public static string Approved(GrantRecord grant, BudgetSnapshot budget) =>
        $"{Money(grant.Amount)} {budget.Currency} is granted to {budget.DisplayName} in {Window.NameOf(grant.Window)} until {Messages.Time(grant.ExpiresAt)}, {AskedBy(grant)}{ApprovedBy(grant)}: {grant.Reason}";

    /// <param name="grant">The grant, with its used part.</param>
    /// <param name="expired">False: its request was deleted or denied.</param>
    public static string Ended(GrantRecord grant, BudgetSnapshot budget, bool expired)
    {
        var unused = grant.Amount - grant.Used;
        return $"The grant {grant.Namespace}/{grant.Name} for {budget.DisplayName} {(expired ? "expired" : "was withdrawn, because its request was deleted or denied")}: {Money(grant.Used)} of {Money(grant.Amount)} {budget.Currency} is used"
            + (
                unused > Amount.Zero && grant.Window == budget.Window.Key
                    ? $", and the other {Money(unused)} leaves the limit.{(grant.Used == Amount.Zero ? "" : budget.Terms.Window.Period == WindowPeriod.Rolling ? " The used part stays for one length of the rolling window." : " The used part stays until the window ends.")}"
                    : "."
            );
    }

    public static string Waits(GrantRequest request, BudgetSnapshot budget) =>
        $"Waiting for approval: {Money(request.Amount)} {budget.Currency} for {budget.DisplayName}. Approve it with: kubectl bursar approve gpubr/{request.Name} -n {request.Namespace}";

    public static string Denied(GrantRequest request) =>
        $"Denied{(request.AnsweredBy is { } who ? $" by {who}" : "")}{(request.Answer is { Length: > 0 } answer ? $": {answer}" : ".")}";

    public static string RequestExpired(GrantRequest request, BudgetSnapshot budget) =>
        request.GrantedBefore is { } before
            ? $"The grant expired at {Messages.Time(before.ExpiresAt)}. To add to the limit again, make a new request."
        : request.Until <= budget.Now
            ? $"spec.until, {Messages.Time(request.Until.Value)}, was over before the request was approved. Make a new request."
        : $"The window of {budget.DisplayName} ended at {Messages.Time(budget.Window.End)}: nothing can be added to its limit.";

    public static string CurrencyMismatch(GrantRequest request, BudgetSnapshot budget) =>
        $"The request is in {request.Currency}, and {budget.DisplayName} counts in {budget.Currency}, the currency of the price book. Make a new request in {budget.Currency}.";

    public static string TooMany(BudgetSnapshot budget) =>
        $"Approved, but {budget.DisplayName} has {GrantDecider.MostInWindow} grants in {Window.NameOf(budget.Window.Key)} already, the most that one window can have. It is granted in the next window, or raise the limit.";

    /// <param name="budget">The budget as the user names it: <c>GpuBudget nlp</c>.</param>
    /// <param name="why">Why it cannot take the request.</param>
    public static string NoBudget(string budget, MissingBudget why) =>
        why switch
        {
            MissingBudget.NotThere => $"{budget} does not exist. The request is considered when it is created.",
            MissingBudget.DoesNotCover =>
                $"{budget} does not cover the namespace of the request. The request is considered when the budget covers it.",
            _ => $"{budget} has no valid spec. The request is considered when that is corrected.",
        };

    private static string AskedBy(GrantRecord grant) => grant.RequestedBy is { } who ? $"requested by {who} and " : "";

    private static string ApprovedBy(GrantRecord grant) =>
        grant.Automatic ? "approved by the budget's autoApprove"
        : grant.ApprovedBy is { } who ? $"approved by {who}"
        : "approved by a user whom the status does not name";

    private static string Money(Amount amount) => amount.ToShortString();
}

/// <summary>Why a request has no budget.</summary>
public enum MissingBudget
{
    NotThere,
    DoesNotCover,
    Invalid,
}
