using System.Text.Json.Nodes;
using Bursar.Sandbox.Schemas;
using Bursar.Sandbox.Values;

namespace Bursar.Sandbox.Validation;

/// <summary>Validates <c>metadata</c>: names, labels, annotations, ownerReferences, finalizers.</summary>
public static class MetadataRules
{
    private const int MaxAnnotationBytes = 256 * 1024;

    public static List<FieldCause> Validate(KindInfo kind, JsonObject obj, bool creating)
    {
        var errors = new List<FieldCause>();
        var name = obj.Text("metadata", "name") ?? "";
        if (name.Length == 0)
        {
            errors.Add(FieldCause.Required("metadata.name", "name or generateName is required"));
        }
        else if (creating && Name(kind, name) is { } problem)
        {
            errors.Add(FieldCause.Invalid("metadata.name", JsonValue.Create(name), problem));
        }

        foreach (var (key, value) in obj.At("metadata", "labels") as JsonObject ?? [])
        {
            if (NameRules.LabelKey(key) is { } badKey)
            {
                errors.Add(FieldCause.Invalid("metadata.labels", JsonValue.Create(key), badKey));
            }

            if (NameRules.LabelValue(value.Text() ?? "") is { } badValue)
            {
                errors.Add(FieldCause.Invalid("metadata.labels", value?.DeepClone(), badValue));
            }
        }

        var size = 0L;
        foreach (var (key, value) in obj.At("metadata", "annotations") as JsonObject ?? [])
        {
            size += key.Length + (value.Text()?.Length ?? 0);
            if (NameRules.LabelKey(key.ToLowerInvariant()) is { } badKey)
            {
                errors.Add(FieldCause.Invalid("metadata.annotations", JsonValue.Create(key), badKey));
            }
        }

        if (size > MaxAnnotationBytes)
        {
            errors.Add(
                new FieldCause("metadata.annotations", "FieldValueTooLong", $"Too long: may not be more than {MaxAnnotationBytes} bytes")
            );
        }

        var index = 0;
        var controllers = 0;
        foreach (var owner in obj.Objects("metadata", "ownerReferences"))
        {
            var at = $"metadata.ownerReferences[{index++}]";
            foreach (var field in (string[])["apiVersion", "kind", "name", "uid"])
            {
                if (string.IsNullOrEmpty(owner.Text(field)))
                {
                    errors.Add(
                        field == "apiVersion"
                            ? FieldCause.Invalid($"{at}.apiVersion", JsonValue.Create(""), "version must not be empty")
                            : FieldCause.Invalid($"{at}.{field}", JsonValue.Create(""), $"{field} must not be empty")
                    );
                }
            }

            controllers += owner.Flag("controller") == true ? 1 : 0;
        }

        if (controllers > 1)
        {
            errors.Add(
                FieldCause.Invalid(
                    "metadata.ownerReferences",
                    obj.At("metadata", "ownerReferences")!.DeepClone(),
                    "Only one reference can have Controller set to true."
                )
            );
        }

        if (obj.At("metadata", "finalizers") is JsonArray finalizers)
        {
            foreach (var finalizer in finalizers)
            {
                var text = finalizer.Text() ?? "";
                if (NameRules.LabelKey(text) is { } bad)
                {
                    errors.Add(FieldCause.Invalid("metadata.finalizers", JsonValue.Create(text), bad));
                }
            }
        }

        return errors;
    }

    private static string? Name(KindInfo kind, string name) =>
        kind.Group switch
        {
            "rbac.authorization.k8s.io" => NameRules.PathSegment(name),
            "" when kind.Kind is "Namespace" or "Service" => NameRules.Label(name),
            _ => NameRules.Subdomain(name),
        };
}
