using Bursar.Kubernetes.Attributes;
using Bursar.Kubernetes.KubeOps;

namespace Bursar.Api;

/// <summary>A label selector with a bounded number of terms.</summary>
public sealed class WorkloadSelector
{
    [Items(0, 32)]
    [ItemLength(0, 63)]
    [ItemPattern("^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$")]
    [Description("Labels that must all be present with these values. At most 32.")]
    public IReadOnlyDictionary<string, string>? MatchLabels { get; set; }

    [Items(0, 16)]
    [Description("Requirements that must all be met. At most 16.")]
    public IReadOnlyList<WorkloadSelectorTerm>? MatchExpressions { get; set; }
}

[ValidationRule(
    "self.operator in ['In', 'NotIn'] ? has(self.values) && size(self.values) > 0 : !has(self.values) || size(self.values) == 0",
    message: "In and NotIn need values; Exists and DoesNotExist have none",
    fieldPath: ".values"
)]
public sealed class WorkloadSelectorTerm
{
    [Required]
    [Length(1, 317)]
    [Pattern("^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$")]
    [Description("The label key.")]
    public string? Key { get; set; }

    [Required]
    [AllowedValues("In", "NotIn", "Exists", "DoesNotExist")]
    [Description("How the label value relates to the given values.")]
    public string? Operator { get; set; }

    [Items(0, 32)]
    [ItemLength(0, 63)]
    [ItemPattern("^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$")]
    [Description("The values of In and NotIn. At most 32.")]
    public IReadOnlyList<string>? Values { get; set; }
}
