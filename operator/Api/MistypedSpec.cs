using Bursar.Core.Text;
using Bursar.Kubernetes.Objects;

namespace Bursar.Api;

/// <summary>
/// Reports the fields of a spec of Bursar's kinds that have an unexpected JSON type. They are decoded as absent, and a default would
/// silently replace the user's value. The schema refuses them, but an object may be older than its schema.
/// </summary>
internal static class MistypedSpec
{
    /// <param name="metadata">The metadata of the object.</param>
    /// <param name="part">The part of the object that is read, such as <c>spec</c> or <c>spec.selector</c>.</param>
    /// <param name="errors">Receives an error for each such field inside the part or above it.</param>
    public static void Report(V1ObjectMeta metadata, string part, List<FieldError> errors)
    {
        foreach (var field in metadata.MistypedFields)
        {
            // A number in place of a string is an amount without quotes and accepted; a null in a list is not.
            if (field is { IsConverted: true, Found: not "null" })
                continue;
            if (IsWithin(field.Path, part) || IsWithin(part, field.Path))
                errors.Add(new(field.Path, $"is {field.Found}, not {field.Expected}"));
        }
    }

    private static bool IsWithin(string path, string part) =>
        path.StartsWith(part, StringComparison.Ordinal) && (path.Length == part.Length || path[part.Length] is '.' or '[');
}
