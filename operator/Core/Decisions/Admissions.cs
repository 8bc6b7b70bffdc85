using Bursar.Core.Money;

namespace Bursar.Core.Decisions;

/// <summary>
/// Notes what each job was admitted with. Only while everything fits, so that admitting never takes the budget over its
/// limit. A reservation made before the estimate was settled, or in an earlier window, is taken anew.
/// </summary>
public static class Admissions
{
    public static BudgetMemory Take(IEnumerable<CostedWorkload> claims, BudgetSnapshot budget, BudgetMemory memory)
    {
        var taken = claims
            .Where(w => IsDue(w, budget, memory))
            .Select(w =>
                KeyValuePair.Create(
                    w.Work.Key.Uid,
                    Of(w, w.Work.Estimate.IsSample ? w.Cost.Settled : w.Cost.Planned, budget) with
                    {
                        FitResumes = memory.Admitted.TryGetValue(w.Work.Key.Uid, out var known) ? known.FitResumes : 0,
                    }
                )
            )
            .ToArray();
        return taken.Length == 0 ? memory : memory with { Admitted = memory.Admitted.Concat(taken).ToSorted() };
    }

    public static BudgetMemory Resumed(CostedWorkload item, Amount reserved, BudgetSnapshot budget, BudgetMemory memory, int fitResumes) =>
        memory with
        {
            Admitted = memory
                .Admitted.Append(KeyValuePair.Create(item.Work.Key.Uid, Of(item, reserved, budget) with { FitResumes = fitResumes }))
                .ToSorted(),
        };

    private static bool IsDue(CostedWorkload item, BudgetSnapshot budget, BudgetMemory memory) =>
        !memory.Admitted.TryGetValue(item.Work.Key.Uid, out var admission)
        || item.Work.Estimate.Settled && (!admission.Firm || admission.At < budget.Window.Start);

    private static Admission Of(CostedWorkload item, Amount reserved, BudgetSnapshot budget) =>
        new(reserved, item.Work.Spent, budget.Now, item.Work.Estimate.Settled);
}
