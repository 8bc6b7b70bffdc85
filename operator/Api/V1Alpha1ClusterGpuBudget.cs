using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using Bursar.Kubernetes.KubeOps;
using Bursar.Kubernetes.Objects;

namespace Bursar.Api;

[KubernetesEntity(Group = ApiGroup.Name, ApiVersion = ApiGroup.Version, Kind = KindName, PluralName = PluralName)]
[KubernetesEntityShortNames("cgpub")]
[EntityScope(EntityScope.Cluster)]
[Description(
    "A ClusterGpuBudget keeps the GPU workloads of several namespaces together within an amount per window, by the rules of a GpuBudget. A workload runs while it fits every budget that selects it: those of its namespace and every ClusterGpuBudget that covers the namespace."
)]
[GenericAdditionalPrinterColumn(
    ".status.limit",
    "Limit",
    "string",
    Description = "The window's limit with its top-ups, in the price book's currency."
)]
[GenericAdditionalPrinterColumn(".status.spent", "Spent", "string", Description = "The amount used so far in this window.")]
[GenericAdditionalPrinterColumn(
    ".status.projected",
    "Projected",
    "string",
    Description = "Spending at the end of the window, if everything that runs goes on until it ends, is suspended at the limit, or the window closes."
)]
[GenericAdditionalPrinterColumn(".status.percent", "Percent", "integer", Description = "Spent, as percent of the limit.")]
[GenericAdditionalPrinterColumn(".status.burnRatePerHour", "Burn/h", "string", Description = "The cost per hour of the running workloads.")]
[GenericAdditionalPrinterColumn(
    ".status.exhaustedAt",
    "Exhausted-At",
    "string",
    Description = "The time when the limit is reached at the current rates, or was reached if the budget is used up. Absent if it is not reached in this window."
)]
[GenericAdditionalPrinterColumn(
    ".status.namespaceCount",
    "Namespaces",
    "integer",
    Description = "The number of namespaces that it covers."
)]
[GenericAdditionalPrinterColumn(
    ".status.forecast.windowEnd.likely",
    "Forecast",
    "string",
    Priority = 1,
    Description = "The likely spending at the end of the window, with workloads that have not started yet."
)]
[GenericAdditionalPrinterColumn(
    ".status.currency",
    "Unit",
    "string",
    Priority = 1,
    Description = "The unit of the amounts: the currency of the price book, GPU-hours, kWh, kg CO2e or tokens."
)]
[GenericAdditionalPrinterColumn(".status.state", "State", "string", Description = "The reason of the condition Ready.")]
[GenericAdditionalPrinterColumn(".metadata.creationTimestamp", "Age", "date")]
public sealed class V1Alpha1ClusterGpuBudget : BudgetObject, IKubernetesEntity<V1Alpha1ClusterGpuBudget>
{
    public const string KindName = "ClusterGpuBudget";
    public const string PluralName = "clustergpubudgets";

    public static EntityKind EntityKind { get; } = new(ApiGroup.Name, ApiGroup.Version, KindName, PluralName, Namespaced: false);

    public static JsonTypeInfo<V1Alpha1ClusterGpuBudget> JsonTypeInfo => ApiJson.ClusterGpuBudget;

    public override string Kind { get; set; } = KindName;

    [Required]
    [Description("Desired state.")]
    public ClusterGpuBudgetSpec? Spec { get; set; }

    [JsonIgnore]
    public override GpuBudgetSpec? BudgetSpec => Spec;

    internal override string StoreSpec() =>
        JsonSerializer.Serialize(new V1Alpha1ClusterGpuBudget { Spec = Spec }, ApiJson.ClusterGpuBudget);

    internal override void TakeSpec(BudgetObject earlier) => Spec = ((V1Alpha1ClusterGpuBudget)earlier).Spec;

    internal override void RestoreSpec(string stored) => Spec = JsonSerializer.Deserialize(stored, ApiJson.ClusterGpuBudget)?.Spec;
}
