using Bursar.Core.Decisions;
using Bursar.Core.Money;
using Bursar.Core.Text;
using Bursar.Kubernetes.Conditions;

namespace Bursar.Api;

/// <summary>Converts a <c>GpuBudgetRequest</c> to <see cref="GrantRequest"/>. It repeats the checks of the schema.</summary>
public static class GpuBudgetRequestReader
{
    public static GrantRequest Read(V1Alpha1GpuBudgetRequest request)
    {
        var errors = new List<FieldError>();
        MistypedSpec.Report(request.Metadata, "spec", errors);
        var spec = request.Spec ?? new();
        if (spec.Budget is null == spec.ClusterBudget is null)
            errors.Add(new("spec", "names either a budget or a clusterBudget"));
        if (!Amount.TryParse(spec.Amount, out var amount) || amount <= Amount.Zero)
            errors.Add(new("spec.amount", "is not an amount above zero, such as \"50\" or \"2.295\""));
        var until = Time(spec.Until);
        if (spec.Until is not null && until is null)
            errors.Add(new("spec.until", "is not a time such as 2026-11-21T00:00:00Z"));
        var conditions = request.Status?.Conditions ?? [];
        var denied = Conditions.IsTrue(conditions, ConditionTypes.Denied);
        return new()
        {
            Uid = request.Metadata.Uid,
            Namespace = request.Metadata.Namespace ?? "",
            Name = request.Metadata.Name,
            CreatedAt = request.Metadata.CreationTimestamp ?? default,
            Amount = amount,
            Currency = spec.Currency,
            Reason = spec.Reason ?? "",
            Until = until,
            RequestedBy = spec.RequestedBy,
            IsApproved = Conditions.IsTrue(conditions, ConditionTypes.Approved),
            IsDenied = denied,
            Answer = Conditions.Find(conditions, denied ? ConditionTypes.Denied : ConditionTypes.Approved)?.Message,
            AnsweredBy = request.Status?.ApprovedBy,
            Fault = errors.Count == 0 ? null : string.Join("; ", errors.Select(error => $"{error.Path}: {error.Message}")),
            GrantedBefore =
                request.Status is { Window: { } window } status && Time(status.ExpiresAt) is { } expiresAt ? (window, expiresAt) : null,
        };
    }

    private static DateTimeOffset? Time(string? text) => text is not null && Rfc3339.TryParse(text, out var at) ? at : null;
}
