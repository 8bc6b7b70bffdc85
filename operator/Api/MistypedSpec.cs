using Bursar.Core.Text;
using Bursar.Kubernetes.Objects;

namespace Bursar.Api;

/// <summary>
/// The fields of a spec of Bursar's own kinds that have an unexpected JSON type. They would read as absent, and a default would stand in
/// for what the user wrote: so they are errors. The API server refuses them by the schema; an object may be older than its schema.
/// </summary>
internal static class MistypedSpec
{
    /// <param name="metadata">Of the object.</param>
    /// <param name="part">The part of the object that is read, such as <c>spec</c> or <c>spec.selector</c>.</param>
    /// <param name="errors">Takes an error for each such field in the part, and for each that holds the part.</param>
    public static void Report(V1ObjectMeta metadata, string part, List<FieldError> errors)
    {
        foreach (var field in metadata.MistypedFields)
        {
            // A number for a text is an amount without quotes; a null in a list is nothing.
            if (field is { IsConverted: true, Found: not "null" })
                continue;
            if (IsWithin(field.Path, part) || IsWithin(part, field.Path))
                errors.Add(new(field.Path, $"is {field.Found}, not {field.Expected}"));
        }
    }

    private static bool IsWithin(string path, string part) =>
        path.StartsWith(part, StringComparison.Ordinal) && (path.Length == part.Length || path[part.Length] is '.' or '[');
}
