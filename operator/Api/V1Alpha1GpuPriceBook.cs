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
[Description("A GpuPriceBook defines the price of an hour of each GPU. The default book prices the cluster.")]
[GenericAdditionalPrinterColumn(
    ".spec.default",
    "Default",
    "boolean",
    Description = "Whether this book prices the cluster. Set it on one book; of several the oldest applies."
)]
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

    [Description("Observed state of the book. Written by the operator.")]
    public GpuPriceBookStatus? Status { get; set; }
}

public sealed class GpuPriceBookSpec
{
    [DefaultJson("false")]
    [Description("Whether this book prices the cluster. Set it on exactly one book.")]
    public bool? Default { get; set; } = false;

    [Required]
    [Length(3, 3)]
    [Pattern("^[A-Z]{3}$")]
    [Description("The currency of every price in this book and of every amount computed with it: an ISO 4217 code, such as USD.")]
    public string? Currency { get; set; }

    [Required]
    [Items(0, 500)]
    [Description(
        "The rates; the first that matches a node applies. A node without a match has no price, which a condition and an Event report."
    )]
    public IReadOnlyList<GpuPriceRate>? Rates { get; set; }

    [Description("The CO2e of the electricity, for budgets with limit.co2eKg. Default: CO2e is not counted.")]
    public GpuPriceGridIntensity? GridIntensity { get; set; }

    [DefaultJson("{}")]
    [Description(
        "Bounds for prices. A price outside of them is not used until the annotation bursar.dev/accept-generation names this book's generation; meanwhile the last trusted price applies, forecasts are paused and PricesTrusted is False. A price of zero is always out of bounds."
    )]
    public GpuPriceGuard? Guard { get; set; } = new();
}

[ValidationRule("has(self.perGpuHour) != has(self.owned)", message: "a rate has either perGpuHour or owned")]
public sealed class GpuPriceRate
{
    [DefaultJson("{}")]
    [Description("The nodes of the rate: all given fields must match. Default: all nodes.")]
    public GpuPriceMatch? Match { get; set; } = new();

    [IntOrString]
    [RangeMinimum(0)]
    [RangeMaximum(999_999_999)]
    [Length(1, 20)]
    [Pattern(@"^[0-9]{1,9}(\.[0-9]{1,9})?$")]
    [Description(
        "The price per GPU and hour in the currency of the book: a whole number, or a quoted decimal with up to nine decimal places such as \"3.06\". It is the price of a whole card: MIG slices cost the mean of their shares of its compute and memory, shared slots the card's price divided by its slots."
    )]
    public string? PerGpuHour { get; set; }

    [Description("Own hardware: the price per GPU and hour is capitalCost / lifetime + yearlyCost / 8760h + power × PUE × tariff.")]
    public GpuPriceOwned? Owned { get; set; }

    [Format("date-time")]
    [Length(1, 64)]
    [Description(
        "The time from which the rate applies (RFC 3339); until then the rates below it do. A past time is replaced by the time when the operator first sees the rate."
    )]
    public string? From { get; set; }

    [Length(0, 256)]
    [Description("The source and date of the price, for people.")]
    public string? Note { get; set; }
}

public sealed class GpuPriceMatch
{
    [Length(1, 128)]
    [Description(
        "The GPU's product name, from the node's labels such as nvidia.com/gpu.product without suffixes for slices, from DRA devices, else from the driver or the name of the resource. "
            + "* stands for any characters, ? for one. Left out: any product."
    )]
    public string? Product { get; set; }

    [Length(1, 63)]
    [Description(
        "on-demand, spot or reserved, read from the labels of Karpenter and of managed Kubernetes services (docs/tasks/prices.md). A node without such a label is on-demand. Accepts * and ?."
    )]
    public string? CapacityType { get; set; }

    [Length(1, 63)]
    [Description("The node label topology.kubernetes.io/region. Accepts * and ?.")]
    public string? Region { get; set; }

    [Length(1, 63)]
    [Description("The node label node.kubernetes.io/instance-type. Accepts * and ?.")]
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
    [Description("The purchase price of one GPU with its share of the machine, network and rack.")]
    public string? CapitalCost { get; set; }

    [Required]
    [Length(1, 64)]
    [Pattern(GoDuration.Pattern)]
    [ValidationRule(
        DurationRule.Seconds + " >= 3600 && " + DurationRule.Seconds + " <= 3153600000",
        message: "lifetime must be from 1h to 876000h"
    )]
    [Description("The depreciation period, such as 1460d for four years.")]
    public string? Lifetime { get; set; }

    [IntOrString]
    [RangeMinimum(0)]
    [RangeMaximum(999_999_999_999)]
    [Length(1, 22)]
    [Pattern(DecimalText.Pattern)]
    [Description("The yearly cost of one GPU besides power: space, repairs, staff.")]
    public string? YearlyCost { get; set; }

    [IntOrString]
    [RangeMinimum(0)]
    [RangeMaximum(999_999_999_999)]
    [Length(1, 22)]
    [Pattern(DecimalText.Pattern)]
    [Description("The price of a kilowatt-hour. Default: power is not counted.")]
    public string? PowerPricePerKWh { get; set; }

    [DefaultJson("\"1\"")]
    [IntOrString]
    [RangeMinimum(1)]
    [RangeMaximum(5)]
    [Length(1, 12)]
    [Pattern(@"^[1-5](\.[0-9]{1,9})?$")]
    [Description("Power usage effectiveness: the building's power divided by the machines' power, from 1 to 5.")]
    public string? Pue { get; set; } = "1";

    [RangeMinimum(1)]
    [RangeMaximum(100_000)]
    [Description(
        "The power of one GPU with its share of the machine, in watts. Default: the rated power of the board if Bursar knows it; otherwise the rate has no price."
    )]
    public int? PowerWatts { get; set; }
}

[ValidationRule("has(self.gramsPerKWh) != has(self.hours)", message: "set either gramsPerKWh or hours")]
public sealed class GpuPriceGridIntensity
{
    [IntOrString]
    [RangeMinimum(0)]
    [RangeMaximum(9_999)]
    [Length(1, 8)]
    [Pattern(GramsPattern)]
    [Description("Grams of CO2e per kilowatt-hour at all times, with up to three decimal places, such as 475.")]
    public string? GramsPerKWh { get; set; }

    [Length(1, 64)]
    [Pattern("^[A-Za-z0-9_+/-]+$")]
    [DefaultJson("\"UTC\"")]
    [Description("The IANA name of the time zone of the hours, such as Europe/Berlin.")]
    public string? TimeZone { get; set; } = "UTC";

    [Items(1, 24)]
    [ListType("map", "from")]
    [Description("Values by the hour of the day, in order. The last one applies until the first one of the next day.")]
    public IReadOnlyList<GpuPriceHourIntensity>? Hours { get; set; }

    internal const string GramsPattern = @"^[0-9]{1,4}(\.[0-9]{1,3})?$";
}

public sealed class GpuPriceHourIntensity
{
    [Required]
    [RangeMinimum(0)]
    [RangeMaximum(23)]
    [Description("The hour of the day from which the value applies.")]
    public int? From { get; set; }

    [Required]
    [IntOrString]
    [RangeMinimum(0)]
    [RangeMaximum(9_999)]
    [Length(1, 8)]
    [Pattern(GpuPriceGridIntensity.GramsPattern)]
    [Description("Grams of CO2e per kilowatt-hour.")]
    public string? GramsPerKWh { get; set; }
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
    [Description("The lowest price per GPU and hour.")]
    public string? MinPerGpuHour { get; set; }

    [IntOrString]
    [RangeMinimum(0)]
    [RangeMaximum(999_999_999)]
    [Length(1, 20)]
    [Pattern(@"^[0-9]{1,9}(\.[0-9]{1,9})?$")]
    [Description("The highest price per GPU and hour.")]
    public string? MaxPerGpuHour { get; set; }

    [DefaultJson("300")]
    [RangeMinimum(1)]
    [RangeMaximum(1_000_000)]
    [Description(
        "The largest change of a price at once, in percent of the smaller value: 300 allows a rise to four times or a fall to a quarter."
    )]
    public int? MaxJumpPercent { get; set; } = PriceGuard.DefaultJumpPercent;
}

public sealed class GpuPriceBookStatus
{
    [Description("The generation of the spec that this status describes.")]
    public long? ObservedGeneration { get; set; }

    [Items(0, 16)]
    [ListType("map", "type")]
    [Description(
        "Ready: the book is valid and in use. PricesTrusted, of the default book: every node is charged at its rates; otherwise the message names the exceptions."
    )]
    public IReadOnlyList<V1Condition>? Conditions { get; set; }
}
