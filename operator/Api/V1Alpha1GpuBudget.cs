using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using Bursar.Kubernetes.KubeOps;
using Bursar.Kubernetes.Objects;

namespace Bursar.Api;

[KubernetesEntity(Group = ApiGroup.Name, ApiVersion = ApiGroup.Version, Kind = KindName, PluralName = PluralName)]
[KubernetesEntityShortNames("gpub")]
[EntityScope(EntityScope.Namespaced)]
[Description(
    "A GpuBudget holds the GPU work of its namespace inside an amount of money: it counts what the work has "
        + "cost, foresees what it will cost to finish, suspends the jobs that would overrun and resumes them when there is money."
)]
[GenericAdditionalPrinterColumn(
    ".status.limit",
    "Limit",
    "string",
    Description = "The window's limit with its top-ups, in the price book's currency."
)]
[GenericAdditionalPrinterColumn(".status.spent", "Spent", "string", Description = "Spent in this window.")]
[GenericAdditionalPrinterColumn(
    ".status.projected",
    "Projected",
    "string",
    Description = "Spending at the end of the window, if everything that runs goes on until it ends, is suspended at the limit, or the window closes."
)]
[GenericAdditionalPrinterColumn(".status.percent", "Percent", "integer", Description = "Spent, as percent of the limit.")]
[GenericAdditionalPrinterColumn(".status.burnRatePerHour", "Burn/h", "string", Description = "What the running work costs per hour.")]
[GenericAdditionalPrinterColumn(
    ".status.exhaustedAt",
    "Exhausted-At",
    "string",
    Description = "When the limit is reached on the present course, or when the budget was used up."
)]
[GenericAdditionalPrinterColumn(".status.state", "State", "string", Description = "The reason of the condition Ready.")]
[GenericAdditionalPrinterColumn(".metadata.creationTimestamp", "Age", "date")]
public sealed class V1Alpha1GpuBudget : IKubernetesEntity<V1Alpha1GpuBudget>
{
    public const string KindName = "GpuBudget";
    public const string PluralName = "gpubudgets";

    public static EntityKind EntityKind { get; } = new(ApiGroup.Name, ApiGroup.Version, KindName, PluralName, Namespaced: true);

    public static JsonTypeInfo<V1Alpha1GpuBudget> JsonTypeInfo => ApiJson.GpuBudget;

    public string ApiVersion { get; set; } = ApiGroup.GroupVersion;

    public string Kind { get; set; } = KindName;

    public V1ObjectMeta Metadata { get; set; } = V1ObjectMeta.Empty;

    [Required]
    [Description("What the owner asks for.")]
    public GpuBudgetSpec? Spec { get; set; }

    [Description("What Bursar has counted, foresees and has done. Written by the operator.")]
    public GpuBudgetStatus? Status { get; set; }

    /// <summary>In the operator's cache: why the spec that the API server holds is not <see cref="Spec"/>. Null if it is.</summary>
    [JsonIgnore]
    public SpecRefusal? Refusal { get; internal set; }

    /// <summary>The result of the last reading of <see cref="Spec"/> by <see cref="GpuBudgetReader"/>; null before the first.</summary>
    internal BudgetSpecRead? Read { get; set; }

    /// <summary>The generation whose spec is in force.</summary>
    [JsonIgnore]
    public long SpecGeneration => Refusal?.InForce ?? Metadata.Generation;
}
