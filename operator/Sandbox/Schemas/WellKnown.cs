namespace Bursar.Sandbox.Schemas;

/// <summary>Common types whose JSON is not an object with fields.</summary>
public static class WellKnown
{
    public static TypeSchema Quantity { get; } =
        new()
        {
            Name = "io.k8s.apimachinery.pkg.api.resource.Quantity",
            Type = SchemaType.Quantity,
            Description = "An exact amount: a number with an optional suffix such as m, k, M, Gi.",
        };

    public static TypeSchema Time { get; } =
        new()
        {
            Name = "io.k8s.apimachinery.pkg.apis.meta.v1.Time",
            Type = SchemaType.Time,
            Format = "date-time",
            Description = "A moment in whole seconds, after RFC 3339.",
        };

    public static TypeSchema MicroTime { get; } =
        new()
        {
            Name = "io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime",
            Type = SchemaType.MicroTime,
            Format = "date-time",
            Description = "A moment with six decimals of a second, after RFC 3339.",
        };

    public static TypeSchema IntOrString { get; } =
        new()
        {
            Name = "io.k8s.apimachinery.pkg.util.intstr.IntOrString",
            Type = SchemaType.IntOrString,
            Format = "int-or-string",
            Description = "A whole number or a string, such as a port's number or name, or a percentage.",
        };

    public static TypeSchema RawExtension { get; } =
        new()
        {
            Name = "io.k8s.apimachinery.pkg.runtime.RawExtension",
            Type = SchemaType.Object,
            PreserveUnknownFields = true,
            Description = "An object of any type.",
        };

    public static TypeSchema FieldsV1 { get; } =
        new()
        {
            Name = "io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1",
            Type = SchemaType.Object,
            PreserveUnknownFields = true,
            Description = "A set of field paths, as a tree of JSON objects.",
        };
}
