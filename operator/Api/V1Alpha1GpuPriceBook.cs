using System.Text.Json.Serialization.Metadata;
using Bursar.Core.Money;
using Bursar.Core.Prices;
using Bursar.Core.Text;
using Bursar.Kubernetes.Attributes;
using Bursar.Kubernetes.KubeOps;
using Bursar.Kubernetes.Objects;

namespace Bursar.Api;

[KubernetesEntity(Group = ApiGroup.Name, ApiVersion = ApiGroup.Version, Kind = KindName, PluralName = PluralName)]
[KubernetesEntityShortNames("gpupb")]
[EntityScope(EntityScope.Cluster)]
[Description("A GpuPriceBook says what an hour of each GPU costs. Exactly one book, the default one, prices the cluster.")]
[GenericAdditionalPrinterColumn(".spec.default", "Default", "boolean", Description = "Whether this book prices the cluster.")]
[GenericAdditionalPrinterColumn(".spec.currency", "Currency", "string")]
[GenericAdditionalPrinterColumn(
    ".status.conditions[?(@.type==\"Ready\")].reason",
    "State",
    "string",
    Description = "The reason of the condition Ready."
)]
[GenericAdditionalPrinterColumn(
    ".status.conditions[?(@.type==\"PricesTrusted\")].status",
    "Trusted",
    "string",
    Description = "Whether every node is charged at this book's rates."
)]
[GenericAdditionalPrinterColumn(".metadata.creationTimestamp", "Age", "date")]
public sealed class V1Alpha1GpuPriceBook : IKubernetesEntity<V1Alpha1GpuPriceBook>
{
    public const string KindName = "GpuPriceBook";
    public const string PluralName = "gpupricebooks";

    public static EntityKind EntityKind { get; } = new(ApiGroup.Name, ApiGroup.Version, KindName, PluralName, Namespaced: false);

    public static JsonTypeInfo<V1Alpha1GpuPriceBook> JsonTypeInfo => ApiJson.GpuPriceBook;

    public string ApiVersion { get; set; } = ApiGroup.GroupVersion;

    public string Kind { get; set; } = KindName;

    public V1ObjectMeta Metadata { get; set; } = V1ObjectMeta.Empty;

    [Required]
    [Description("The prices.")]
    public GpuPriceBookSpec? Spec { get; set; }

    [Description("What the operator made of the book.")]
    public GpuPriceBookStatus? Status { get; set; }
}

public sealed class GpuPriceBookSpec
{
    [DefaultJson("false")]
    [Description("Whether this book prices the cluster. Exactly one book should say so.")]
    public bool? Default { get; set; } = false;

    [Required]
    [Length(3, 3)]
    [Pattern("^[A-Z]{3}$")]
    [Description("The currency of every price in this book and of every amount computed with it: an ISO 4217 code, such as USD.")]
    public string? Currency { get; set; }

    [Required]
    [Items(0, 500)]
    [Description(
        "The rates; the first that matches a node wins. A node that none matches is unpriced, which a condition and an Event say."
    )]
    public IReadOnlyList<GpuPriceRate>? Rates { get; set; }

    [DefaultJson("{}")]
    [Description(
        "What a price may be before a person has looked at it. A change outside of it is not taken over: the last trusted price goes on, forecasts "
            + "pause and PricesTrusted is False, until the annotation bursar.dev/accept-generation names this book's generation. A price of zero is always outside."
    )]
    public GpuPriceGuard? Guard { get; set; } = new();
}

[ValidationRule("has(self.perGpuHour) != has(self.owned)", message: "a rate has either perGpuHour or owned")]
public sealed class GpuPriceRate
{
    [DefaultJson("{}")]
    [Description("Which nodes the rate is for: all that is given must hold. Left out or empty: all nodes.")]
    public GpuPriceMatch? Match { get; set; } = new();

    [IntOrString]
    [RangeMinimum(0)]
    [RangeMaximum(999_999_999)]
    [Length(1, 20)]
    [Pattern(@"^[0-9]{1,9}(\.[0-9]{1,9})?$")]
    [Description(
        "Money per GPU and hour, in the book's currency: a whole number, or in quotes digits with a fraction of up to nine digits, such as \"3.06\". "
            + "Of a whole card: MIG slices cost the mean of their parts of its compute and memory, shared slots the card divided by its slots."
    )]
    public string? PerGpuHour { get; set; }

    [Description(
        "Hardware of one's own: the price per GPU and hour is capitalCost / lifetime + yearlyCost / 8760h + power x PUE x tariff."
    )]
    public GpuPriceOwned? Owned { get; set; }

    [Format("date-time")]
    [Length(1, 64)]
    [Description(
        "From when on the rate counts (RFC 3339); until then the rates below it do. A date that has passed when the rate is first seen counts from then."
    )]
    public string? From { get; set; }

    [Length(0, 256)]
    [Description("Where the price is from and of what day, for people.")]
    public string? Note { get; set; }
}

public sealed class GpuPriceMatch
{
    [Length(1, 128)]
    [Description(
        "The GPU's product name, as the node label nvidia.com/gpu.product has it (without what it appends for slices and slots), else as NVML gives it. "
            + "* stands for any characters, ? for one. Left out: any product."
    )]
    public string? Product { get; set; }

    [Length(1, 63)]
    [Description(
        "on-demand, spot or reserved, as Karpenter, EKS, GKE and AKS label it, each in its own spelling; a node without such a label is on-demand. * and ? as above."
    )]
    public string? CapacityType { get; set; }

    [Length(1, 63)]
    [Description("The node label topology.kubernetes.io/region. * and ? as above.")]
    public string? Region { get; set; }

    [Length(1, 63)]
    [Description("The node label node.kubernetes.io/instance-type. * and ? as above.")]
    public string? InstanceType { get; set; }

    [Description("Labels of the node.")]
    public WorkloadSelector? NodeSelector { get; set; }
}

[ValidationRule("!has(self.powerWatts) || has(self.powerPricePerKWh)", message: "powerWatts needs powerPricePerKWh")]
public sealed class GpuPriceOwned
{
    [Required]
    [IntOrString]
    [RangeMinimum(0)]
    [RangeMaximum(999_999_999_999)]
    [Length(1, 22)]
    [Pattern(DecimalText.Pattern)]
    [Description("What one GPU cost to buy, with its share of the machine, network and rack.")]
    public string? CapitalCost { get; set; }

    [Required]
    [Length(1, 64)]
    [Pattern(GoDuration.Pattern)]
    [ValidationRule(
        DurationRule.Seconds + " >= 3600 && " + DurationRule.Seconds + " <= 3153600000",
        message: "lifetime must be from 1h to 876000h"
    )]
    [Description("Over how long that is written off, such as 1460d for four years.")]
    public string? Lifetime { get; set; }

    [IntOrString]
    [RangeMinimum(0)]
    [RangeMaximum(999_999_999_999)]
    [Length(1, 22)]
    [Pattern(DecimalText.Pattern)]
    [Description("What one GPU costs a year beside power: room, repairs, people.")]
    public string? YearlyCost { get; set; }

    [IntOrString]
    [RangeMinimum(0)]
    [RangeMaximum(999_999_999_999)]
    [Length(1, 22)]
    [Pattern(DecimalText.Pattern)]
    [Description("The price of a kilowatt-hour. Left out: power is not counted.")]
    public string? PowerPricePerKWh { get; set; }

    [DefaultJson("\"1\"")]
    [IntOrString]
    [RangeMinimum(1)]
    [RangeMaximum(5)]
    [Length(1, 12)]
    [Pattern(@"^[1-5](\.[0-9]{1,9})?$")]
    [Description("Power usage effectiveness: what the building draws for each watt of the machines, from 1 to 5.")]
    public string? Pue { get; set; } = "1";

    [RangeMinimum(1)]
    [RangeMaximum(100_000)]
    [Description(
        "What one GPU draws, with its share of the machine, in watts. Left out: the rated power of its board, where Bursar knows it; else the rate prices nothing."
    )]
    public int? PowerWatts { get; set; }
}

[ValidationRule(
    "!has(self.minPerGpuHour) || !has(self.maxPerGpuHour) || double(self.minPerGpuHour) <= double(self.maxPerGpuHour)",
    message: "minPerGpuHour must not be more than maxPerGpuHour",
    fieldPath: ".minPerGpuHour"
)]
public sealed class GpuPriceGuard
{
    [IntOrString]
    [RangeMinimum(0)]
    [RangeMaximum(999_999_999)]
    [Length(1, 20)]
    [Pattern(@"^[0-9]{1,9}(\.[0-9]{1,9})?$")]
    [Description("The least a GPU hour may cost.")]
    public string? MinPerGpuHour { get; set; }

    [IntOrString]
    [RangeMinimum(0)]
    [RangeMaximum(999_999_999)]
    [Length(1, 20)]
    [Pattern(@"^[0-9]{1,9}(\.[0-9]{1,9})?$")]
    [Description("The most a GPU hour may cost.")]
    public string? MaxPerGpuHour { get; set; }

    [DefaultJson("300")]
    [RangeMinimum(1)]
    [RangeMaximum(1_000_000)]
    [Description(
        "By how much a price may change at once, in percent of the smaller of the two: 300 lets it rise to four times or fall to a quarter."
    )]
    public int? MaxJumpPercent { get; set; } = PriceGuard.DefaultJumpPercent;
}

public sealed class GpuPriceBookStatus
{
    [Description("The generation of the spec that this status is about.")]
    public long? ObservedGeneration { get; set; }

    [Items(0, 16)]
    [ListType("map", "type")]
    [Description(
        "Ready: the book can be read and is in use, or why not. PricesTrusted, of the default book: every node is charged at its rates, or which are not, at what price, and why."
    )]
    public IReadOnlyList<V1Condition>? Conditions { get; set; }
}
