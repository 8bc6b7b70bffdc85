using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using Bursar.Kubernetes.KubeOps;
using Bursar.Kubernetes.Objects;

namespace Bursar.Api;

[KubernetesEntity(Group = ApiGroup.Name, ApiVersion = ApiGroup.Version, Kind = KindName, PluralName = PluralName)]
[KubernetesEntityShortNames("gpub")]
[EntityScope(EntityScope.Namespaced)]
[Description(
    "A GpuBudget keeps the GPU workloads of its namespace within an amount per window. It counts what they have cost, forecasts what they will cost to complete, suspends the jobs that would exceed the limit, and resumes them when budget is available again."
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
    Description = "The time when the limit is reached by the projection, or was reached if the budget is used up. Absent if it is not reached in this window."
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
public sealed class V1Alpha1GpuBudget : BudgetObject, IKubernetesEntity<V1Alpha1GpuBudget>
{
    public const string KindName = "GpuBudget";
    public const string PluralName = "gpubudgets";

    public static EntityKind EntityKind { get; } = new(ApiGroup.Name, ApiGroup.Version, KindName, PluralName, Namespaced: true);

    public static JsonTypeInfo<V1Alpha1GpuBudget> JsonTypeInfo => ApiJson.GpuBudget;

    public override string Kind { get; set; } = KindName;

    [Required]
    [Description("Desired state.")]
    public GpuBudgetSpec? Spec { get; set; }

    [JsonIgnore]
    public override GpuBudgetSpec? BudgetSpec => Spec;

    internal override string StoreSpec() => JsonSerializer.Serialize(new V1Alpha1GpuBudget { Spec = Spec }, ApiJson.GpuBudget);

    internal override void TakeSpec(BudgetObject earlier) => Spec = ((V1Alpha1GpuBudget)earlier).Spec;

    internal override void RestoreSpec(string stored) => Spec = JsonSerializer.Deserialize(stored, ApiJson.GpuBudget)?.Spec;
}
