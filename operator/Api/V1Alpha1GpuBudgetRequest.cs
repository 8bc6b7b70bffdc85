using System.Text.Json.Serialization.Metadata;
using Bursar.Core.Money;
using Bursar.Kubernetes.Attributes;
using Bursar.Kubernetes.KubeOps;
using Bursar.Kubernetes.Objects;

namespace Bursar.Api;

[KubernetesEntity(Group = ApiGroup.Name, ApiVersion = ApiGroup.Version, Kind = KindName, PluralName = PluralName)]
[KubernetesEntityShortNames("gpubr")]
[EntityScope(EntityScope.Namespaced)]
[Description(
    "A GpuBudgetRequest asks for an addition to the limit of a budget in one window. A user who may update its status approves or denies it. An approved request is a grant: it adds to the limit until it expires."
)]
[GenericAdditionalPrinterColumn(".spec.budget", "Budget", "string", Description = "The GpuBudget.")]
[GenericAdditionalPrinterColumn(".spec.clusterBudget", "Cluster-Budget", "string", Description = "The ClusterGpuBudget.")]
[GenericAdditionalPrinterColumn(".spec.amount", "Amount", "string", Description = "The requested amount.")]
[GenericAdditionalPrinterColumn(".status.state", "State", "string", Description = "Pending, Approved, Denied, Expired or Failed.")]
[GenericAdditionalPrinterColumn(".status.used", "Used", "string", Description = "The used part of the grant.")]
[GenericAdditionalPrinterColumn(".status.expiresAt", "Until", "string", Description = "When the grant expires.")]
[GenericAdditionalPrinterColumn(".metadata.creationTimestamp", "Age", "date")]
public sealed class V1Alpha1GpuBudgetRequest : IKubernetesEntity<V1Alpha1GpuBudgetRequest>
{
    public const string KindName = "GpuBudgetRequest";
    public const string PluralName = "gpubudgetrequests";

    public static EntityKind EntityKind { get; } = new(ApiGroup.Name, ApiGroup.Version, KindName, PluralName, Namespaced: true);

    public static JsonTypeInfo<V1Alpha1GpuBudgetRequest> JsonTypeInfo => ApiJson.GpuBudgetRequest;

    public string ApiVersion { get; set; } = ApiGroup.GroupVersion;

    public string Kind { get; set; } = KindName;

    public V1ObjectMeta Metadata { get; set; } = V1ObjectMeta.Empty;

    [Required]
    [Description("The request. It cannot be changed; delete it and make another one instead.")]
    public GpuBudgetRequestSpec? Spec { get; set; }

    [Description("The answer of a user, and the grant as observed by the operator.")]
    public GpuBudgetRequestStatus? Status { get; set; }
}

[ValidationRule("self == oldSelf", message: "a request cannot be changed; delete it and make another one")]
[ValidationRule("has(self.budget) != has(self.clusterBudget)", message: "name either a budget or a clusterBudget")]
public sealed class GpuBudgetRequestSpec
{
    [Length(1, 253)]
    [Description("The name of a GpuBudget of this namespace.")]
    public string? Budget { get; set; }

    [Length(1, 253)]
    [Description("The name of a ClusterGpuBudget that covers this namespace.")]
    public string? ClusterBudget { get; set; }

    [Required]
    [Pattern(DecimalText.Pattern)]
    [IntOrString]
    [RangeMinimum(0)]
    [RangeMaximum(999_999_999_999)]
    [Length(1, 22)]
    [ValidationRule("type(self) == int ? self > 0 : !self.matches('^[0.]+$')", message: "amount must be more than zero")]
    [Description("The amount to add to the limit, in the currency of the price book: a whole number such as 50, or a quoted decimal.")]
    public string? Amount { get; set; }

    [Length(3, 3)]
    [Pattern("^[A-Z]{3}$")]
    [Description("The currency that the amount is meant in. A request in another currency than the budget's fails. Default: the budget's.")]
    public string? Currency { get; set; }

    [Required]
    [Length(1, 256)]
    [Description("The reason, for the user who approves the request.")]
    public string? Reason { get; set; }

    [Format("date-time")]
    [Length(1, 64)]
    [Description("When the grant expires (RFC 3339). Default, and at the latest: when the window ends in which it is approved.")]
    public string? Until { get; set; }

    [Length(1, 512)]
    [Description(
        "The username of the user who makes the request. With the chart's policies it must be their own, and a request without it is approved only by users with the verb override."
    )]
    public string? RequestedBy { get; set; }
}

[ValidationRule(
    "!has(oldSelf.conditions) || oldSelf.conditions.filter(c, c.type in ['Approved', 'Denied'] && c.status == 'True')"
        + ".all(c, has(self.conditions) && self.conditions.exists(n, n.type == c.type && n.status == 'True'))",
    message: "an answer stays; to withdraw an approval, add the condition Denied or delete the request"
)]
public sealed class GpuBudgetRequestStatus
{
    [Length(0, 16)]
    [Description("Pending, Approved, Denied, Expired or Failed. Written by the operator.")]
    public string? State { get; set; }

    [Length(0, 512)]
    [Description(
        "The username of the user who set the condition Approved or Denied, and \"bursar\" if the budget's autoApprove did. With the chart's policies it must be their own."
    )]
    public string? ApprovedBy { get; set; }

    [Length(0, 64)]
    [Description("The window in which the grant counts. Written by the operator.")]
    public string? Window { get; set; }

    [Length(0, 40)]
    [Description("The amount that the limit contains: all of it until the grant expires, then the used part. Written by the operator.")]
    public string? Granted { get; set; }

    [Length(0, 40)]
    [Description(
        "The used part: the spending in the window above the limit without grants, from the grant that expires first to the last. Written by the operator."
    )]
    public string? Used { get; set; }

    [Format("date-time")]
    [Length(0, 64)]
    [Description("When the grant expires. Written by the operator.")]
    public string? ExpiresAt { get; set; }

    [Items(0, 16)]
    [ListType("map", "type")]
    [Description("Approved or Denied with status True, set by a user; a denial has precedence. Granted is written by the operator.")]
    public IReadOnlyList<V1Condition>? Conditions { get; set; }
}
