using System.Text.Json.Serialization.Metadata;
using Bursar.Core.Money;
using Bursar.Kube.Attributes;
using Bursar.Kube.Objects;

namespace Bursar.Operator.Api;

[KubernetesEntity(Group = ApiGroup.Name, ApiVersion = ApiGroup.Version, Kind = KindName, PluralName = PluralName)]
[KubernetesEntityShortNames("gpupb")]
[EntityScope(EntityScope.Cluster)]
[Description("A GpuPriceBook says what an hour of each GPU costs. Exactly one book, the default one, prices the cluster.")]
[GenericAdditionalPrinterColumn(".spec.default", "Default", "boolean", Description = "Whether this book prices the cluster.")]
[GenericAdditionalPrinterColumn(".spec.currency", "Currency", "string")]
[GenericAdditionalPrinterColumn(".status.conditions[?(@.type==\"Ready\")].reason", "State", "string", Description = "The reason of the condition Ready.")]
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
    [Description("The rates; the first that matches a node wins. A node that none matches is unpriced, which a condition and an Event say.")]
    public IReadOnlyList<GpuPriceRate>? Rates { get; set; }
}

public sealed class GpuPriceRate
{
    [DefaultJson("{}")]
    [Description("Which nodes the rate is for. Left out or empty: all.")]
    public GpuPriceMatch? Match { get; set; } = new();

    [Required]
    [Length(1, 20)]
    [Pattern(@"^[0-9]{1,9}(\.[0-9]{1,9})?$")]
    [Description("Money per GPU and hour, in the book's currency: digits with an optional fraction of up to nine digits, as \"3.06\".")]
    public string? PerGpuHour { get; set; }

    [Length(0, 256)]
    [Description("Where the price is from and of what day, for people.")]
    public string? Note { get; set; }
}

public sealed class GpuPriceMatch
{
    [Length(1, 128)]
    [Description("The GPU's product name, as the node label nvidia.com/gpu.product has it, else as NVML gives it. "
        + "* stands for any characters, ? for one. Left out: any product.")]
    public string? Product { get; set; }
}

public sealed class GpuPriceBookStatus
{
    [Description("The generation of the spec that this status is about.")]
    public long? ObservedGeneration { get; set; }

    [Items(0, 16)]
    [ListType("map", "type")]
    [Description("Ready: the book can be read and is in use, or why not.")]
    public IReadOnlyList<V1Condition>? Conditions { get; set; }
}
