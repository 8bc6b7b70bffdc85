using Bursar.Core.Ledger;
using Bursar.Core.Money;

namespace Bursar.Core.Decisions;

/// <summary>Announces once per window and partner what a budget lent, and what is repaid.</summary>
internal static class LoanRule
{
    public static void Announce(Plan plan)
    {
        var budget = plan.Budget;
        if (budget.Loans is not { } loans)
            return;
        var announced = new SortedSet<string>(plan.Memory.Announced, StringComparer.Ordinal);
        foreach (var loan in loans)
        {
            var isLender = loan.LenderUid == budget.Uid;
            var partner = isLender ? loan.BorrowerUid : loan.LenderUid;
            if (isLender && loan.Lent > Amount.Zero)
                Once($"lent/{partner}", Reasons.Lent, () => LoanMessages.Lent(budget, loan, plan.Totals.Limit));
            if (loan.Repaid > Amount.Zero)
                Once($"repaid/{partner}", Reasons.LoanRepaid, () =>
                    isLender ? LoanMessages.IsRepaid(budget, loan) : LoanMessages.Repays(budget, loan)
                );
        }
        if (announced.Count > plan.Memory.Announced.Count)
            plan.Memory = plan.Memory with { Announced = [.. announced] };

        void Once(string key, string reason, Func<string> sentence)
        {
            if (announced.Add(key))
                plan.Announce(new(reason, $"{budget.Window.Key}/{key}", sentence(), Warning: false));
        }
    }
}
