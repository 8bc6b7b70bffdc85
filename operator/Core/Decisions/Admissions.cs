using Bursar.Core.Money;

namespace Bursar.Core.Decisions;

/// <summary>
/// Records the reservation of each admitted job, only while everything fits, so that admissions never exceed the limit. A reservation made
/// before the estimate was settled, or in an earlier window, is renewed.
/// </summary>
public static class Admissions
{
    public static BudgetMemory Record(IEnumerable<CostedWorkload> claims, BudgetSnapshot budget, BudgetMemory memory)
    {
        var taken = claims
            .Where(workload => IsDue(workload, budget, memory))
            .Select(workload =>
                KeyValuePair.Create(
                    workload.Uid,
                    From(workload, workload.Snapshot.Estimate.IsSample ? workload.Cost.Settled : workload.Cost.Planned, budget) with
                    {
                        FitResumes = memory.Admitted.TryGetValue(workload.Uid, out var known) ? known.FitResumes : 0,
                    }
                )
            )
            .ToArray();
        return taken.Length == 0 ? memory : memory with { Admitted = memory.Admitted.Concat(taken).ToSorted() };
    }

    public static BudgetMemory Resumed(
        CostedWorkload workload,
        Amount reserved,
        BudgetSnapshot budget,
        BudgetMemory memory,
        int fitResumes
    ) =>
        memory with
        {
            Admitted = memory
                .Admitted.Append(KeyValuePair.Create(workload.Uid, From(workload, reserved, budget) with { FitResumes = fitResumes }))
                .ToSorted(),
        };

    private static bool IsDue(CostedWorkload workload, BudgetSnapshot budget, BudgetMemory memory) =>
        !memory.Admitted.TryGetValue(workload.Uid, out var admission)
        || workload.Snapshot.Estimate.Settled && (!admission.Firm || admission.At < budget.Window.Start);

    private static Admission From(CostedWorkload workload, Amount reserved, BudgetSnapshot budget) =>
        new(reserved, workload.Snapshot.Spent, budget.Now, workload.Snapshot.Estimate.Settled);
}
