
export type Json = string | number | boolean | null | { [key: string]: Json | undefined } | Json[]

export type Database = {
  
  "public": {
          Tables: {
            "credit_entries": {
                  Row: {
                    "amount": number,"captured": number | null,"created_at": string,"id": number,"job_id": string | null,"kind": string,"reference": string | null,"user_id": string
                  }
                  ComputedFields: never
                  Insert: {
                    "amount": number,"captured"?: number | null,"created_at"?: string,"id"?: never,"job_id"?: string | null,"kind": string,"reference"?: string | null,"user_id": string
                  }
                  Update: {
                    "amount"?: number,"captured"?: number | null,"created_at"?: string,"id"?: never,"job_id"?: string | null,"kind"?: string,"reference"?: string | null,"user_id"?: string
                  }
                  Relationships: [
                    
                  ]
                },"generation_events": {
                  Row: {
                    "at": string,"attempt": number | null,"detail": NonNullable<Json>,"event": string,"id": number,"job_id": string,"status": Database["public"]['Enums']["generation_status"],"user_id": string
                  }
                  ComputedFields: never
                  Insert: {
                    "at": string,"attempt"?: number | null,"detail"?: NonNullable<Json>,"event": string,"id"?: never,"job_id": string,"status": Database["public"]['Enums']["generation_status"],"user_id": string
                  }
                  Update: {
                    "at"?: string,"attempt"?: number | null,"detail"?: NonNullable<Json>,"event"?: string,"id"?: never,"job_id"?: string,"status"?: Database["public"]['Enums']["generation_status"],"user_id"?: string
                  }
                  Relationships: [
                    {
      foreignKeyName: "generation_events_job_id_fkey"
      columns: ["job_id"]
isOneToOne: false
      referencedRelation: "generation_jobs"
      referencedColumns: ["id"]
    }
                  ]
                },"generation_images": {
                  Row: {
                    "bytes": number,"content_type": string,"created_at": string,"deleted_at": string | null,"favorite": boolean,"flagged": boolean,"height": number,"id": string,"index": number,"job_created_at": string,"job_id": string,"path": string,"seq": number,"sha256": string,"thumb_path": string | null,"thumbhash": string | null,"user_id": string,"width": number
                  }
                  ComputedFields: never
                  Insert: {
                    "bytes": number,"content_type": string,"created_at"?: string,"deleted_at"?: string | null,"favorite"?: boolean,"flagged"?: boolean,"height": number,"id"?: string,"index": number,"job_created_at": string,"job_id": string,"path": string,"seq"?: number,"sha256": string,"thumb_path"?: string | null,"thumbhash"?: string | null,"user_id": string,"width": number
                  }
                  Update: {
                    "bytes"?: number,"content_type"?: string,"created_at"?: string,"deleted_at"?: string | null,"favorite"?: boolean,"flagged"?: boolean,"height"?: number,"id"?: string,"index"?: number,"job_created_at"?: string,"job_id"?: string,"path"?: string,"seq"?: number,"sha256"?: string,"thumb_path"?: string | null,"thumbhash"?: string | null,"user_id"?: string,"width"?: number
                  }
                  Relationships: [
                    {
      foreignKeyName: "generation_images_job_id_fkey"
      columns: ["job_id"]
isOneToOne: false
      referencedRelation: "generation_jobs"
      referencedColumns: ["id"]
    }
                  ]
                },"generation_jobs": {
                  Row: {
                    "aspect_ratio": string,"attempt_id": string | null,"attempts": number,"created_at": string,"credits_captured": number | null,"credits_held": number,"credits_per_image": number,"ended_at": string | null,"error_code": string | null,"id": string,"idempotency_key": string,"input_paths": (string)[],"model_id": string,"not_before": string | null,"num_images": number,"persisting_at": string | null,"processing_at": string | null,"ready_at": string | null,"ready_order": string | null,"request_hash": string,"retry_of": string | null,"retryable": boolean,"seed": number | null,"seq": number,"status": Database["public"]['Enums']["generation_status"],"submitting_at": string | null,"trace_id": string,"updated_at": string,"user_id": string
                  }
                  ComputedFields: never
                  Insert: {
                    "aspect_ratio": string,"attempt_id"?: string | null,"attempts"?: number,"created_at"?: string,"credits_captured"?: number | null,"credits_held": number,"credits_per_image": number,"ended_at"?: string | null,"error_code"?: string | null,"id"?: string,"idempotency_key": string,"input_paths"?: (string)[],"model_id": string,"not_before"?: string | null,"num_images": number,"persisting_at"?: string | null,"processing_at"?: string | null,"ready_at"?: string | null,"ready_order"?: string | null,"request_hash": string,"retry_of"?: string | null,"retryable"?: boolean,"seed"?: number | null,"seq"?: number,"status"?: Database["public"]['Enums']["generation_status"],"submitting_at"?: string | null,"trace_id": string,"updated_at"?: string,"user_id": string
                  }
                  Update: {
                    "aspect_ratio"?: string,"attempt_id"?: string | null,"attempts"?: number,"created_at"?: string,"credits_captured"?: number | null,"credits_held"?: number,"credits_per_image"?: number,"ended_at"?: string | null,"error_code"?: string | null,"id"?: string,"idempotency_key"?: string,"input_paths"?: (string)[],"model_id"?: string,"not_before"?: string | null,"num_images"?: number,"persisting_at"?: string | null,"processing_at"?: string | null,"ready_at"?: string | null,"ready_order"?: string | null,"request_hash"?: string,"retry_of"?: string | null,"retryable"?: boolean,"seed"?: number | null,"seq"?: number,"status"?: Database["public"]['Enums']["generation_status"],"submitting_at"?: string | null,"trace_id"?: string,"updated_at"?: string,"user_id"?: string
                  }
                  Relationships: [
                    {
      foreignKeyName: "generation_jobs_model_id_fkey"
      columns: ["model_id"]
isOneToOne: false
      referencedRelation: "generation_models"
      referencedColumns: ["id"]
    }
                  ]
                },"generation_models": {
                  Row: {
                    "aspect_ratios": (string)[],"credits_per_image": number,"description": string,"enabled": boolean,"expected_seconds": number,"id": string,"label": string,"max_images": number,"max_inputs": number,"max_prompt_characters": number,"min_inputs": number,"provider": NonNullable<Json>,"sort_order": number,"updated_at": string
                  }
                  ComputedFields: never
                  Insert: {
                    "aspect_ratios": (string)[],"credits_per_image": number,"description": string,"enabled"?: boolean,"expected_seconds": number,"id": string,"label": string,"max_images"?: number,"max_inputs"?: number,"max_prompt_characters"?: number,"min_inputs"?: number,"provider": NonNullable<Json>,"sort_order"?: number,"updated_at"?: string
                  }
                  Update: {
                    "aspect_ratios"?: (string)[],"credits_per_image"?: number,"description"?: string,"enabled"?: boolean,"expected_seconds"?: number,"id"?: string,"label"?: string,"max_images"?: number,"max_inputs"?: number,"max_prompt_characters"?: number,"min_inputs"?: number,"provider"?: NonNullable<Json>,"sort_order"?: number,"updated_at"?: string
                  }
                  Relationships: [
                    
                  ]
                },"generation_prompts": {
                  Row: {
                    "job_id": string,"prompt": string | null,"user_id": string | null
                  }
                  ComputedFields: never
                  Insert: {
                    "job_id": string,"prompt"?: string | null,"user_id"?: string | null
                  }
                  Update: {
                    "job_id"?: string,"prompt"?: string | null,"user_id"?: string | null
                  }
                  Relationships: [
                    {
      foreignKeyName: "generation_prompts_job_id_fkey"
      columns: ["job_id"]
isOneToOne: true
      referencedRelation: "generation_jobs"
      referencedColumns: ["id"]
    }
                  ]
                }
          }
          Views: {
            [_ in never]: never
          }
          Functions: {
            "adjust_credits":
{ Args: { "p_credits": number,"p_reference": string,"p_user_id": string }; Returns: Json
                           },
"await_accounts":
{ Args: { "p_users": Json }; Returns: undefined
                           },
"cancel_generation":
{ Args: { "p_job_id": string,"p_user_id": string }; Returns: Json
                           },
"claim_generations":
{ Args: { "p_claim_id": string,"p_limit": number }; Returns: Json
                           },
"claim_persists":
{ Args: { "p_attempt_id"?: string,"p_claim_id": string,"p_limit": number }; Returns: Json
                           },
"claim_polls":
{ Args: { "p_attempt_id"?: string,"p_claim_id": string,"p_limit": number }; Returns: Json
                           },
"claim_purges":
{ Args: { "p_claim_id": string,"p_limit": number }; Returns: Json
                           },
"claim_thumbnails":
{ Args: { "p_claim_id": string,"p_limit": number }; Returns: Json
                           },
"complete_generation":
{ Args: { "p_attempt_id": string,"p_failures": Json,"p_lease_token": string }; Returns: Json
                           },
"delete_images":
{ Args: { "p_image_ids": (string)[] }; Returns: Json
                           },
"grant_credits":
{ Args: { "p_credits": number,"p_reference": string,"p_user_id": string }; Returns: Json
                           },
"http_work_due":
{ Args: Record<PropertyKey, never>; Returns: Json
                           },
"mark_sending":
{ Args: { "p_attempt_id": string,"p_callback_token_hash": string,"p_lease_token": string,"p_send_id": string }; Returns: Json
                           },
"my_account":
{ Args: Record<PropertyKey, never>; Returns: Json
                           },
"note_callback":
{ Args: { "p_attempt_id": string,"p_token_hash": string }; Returns: Json
                           },
"queue_position":
{ Args: { "p_job_id": string }; Returns: Json
                           },
"record_image":
{ Args: { "p_attempt_id": string,"p_image": Json,"p_lease_token": string }; Returns: Json
                           },
"record_listing":
{ Args: { "p_attempt_id": string,"p_listing": Json }; Returns: Json
                           },
"record_provider_balance":
{ Args: { "p_balance_usd": number }; Returns: undefined
                           },
"record_purge":
{ Args: { "p_claim_id": string,"p_removed": Json }; Returns: Json
                           },
"record_submission":
{ Args: { "p_attempt_id": string,"p_outcome": Json,"p_send_id": string }; Returns: Json
                           },
"record_sweep":
{ Args: { "p_sweep": Json }; Returns: undefined
                           },
"record_thumbnail":
{ Args: { "p_image_id": string,"p_thumbnail": Json }; Returns: Json
                           },
"search_generations":
{ Args: { "": Json }; Returns: Json
                           },
"set_favorite":
{ Args: { "p_favorite": boolean,"p_image_id": string }; Returns: Json
                           },
"settle_generation":
{ Args: { "p_attempt_id": string,"p_result": Json,"p_task_id": string }; Returns: Json
                           },
"start_generation":
{ Args: { "p_idempotency_key": string,"p_request": Json,"p_request_hash": string,"p_trace_id": string,"p_user_id": string }; Returns: Json
                           }
          }
          Enums: {
            "generation_status": "queued"|"submitting"|"unknown"|"processing"|"persisting"|"completed"|"failed"|"canceled"
          }
          CompositeTypes: {
            [_ in never]: never
          }
        }
}

type DatabaseWithoutInternals = Omit<Database, '__InternalSupabase'>

type DefaultSchema = DatabaseWithoutInternals[Extract<keyof Database, "public">]

export type Tables<
  DefaultSchemaTableNameOrOptions extends
    | keyof (DefaultSchema["Tables"] & DefaultSchema["Views"])
    | { schema: keyof DatabaseWithoutInternals },
  TableName extends DefaultSchemaTableNameOrOptions extends {
    schema: keyof DatabaseWithoutInternals
  }
    ? keyof (DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Tables"] &
        DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Views"])
    : never = never
> = DefaultSchemaTableNameOrOptions extends { schema: keyof DatabaseWithoutInternals }
  ? (DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Tables"] &
      DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Views"])[TableName] extends {
      Row: infer R
    }
    ? R
    : never
  : DefaultSchemaTableNameOrOptions extends keyof (DefaultSchema["Tables"] & DefaultSchema["Views"])
  ? (DefaultSchema["Tables"] & DefaultSchema["Views"])[DefaultSchemaTableNameOrOptions] extends {
      Row: infer R
    }
    ? R
    : never
  : never

export type TablesInsert<
  DefaultSchemaTableNameOrOptions extends
    | keyof DefaultSchema["Tables"]
    | { schema: keyof DatabaseWithoutInternals },
  TableName extends DefaultSchemaTableNameOrOptions extends {
    schema: keyof DatabaseWithoutInternals
  }
    ? keyof DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Tables"]
    : never = never
> = DefaultSchemaTableNameOrOptions extends { schema: keyof DatabaseWithoutInternals }
  ? DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Tables"][TableName] extends {
      Insert: infer I
    }
    ? I
    : never
  : DefaultSchemaTableNameOrOptions extends keyof DefaultSchema["Tables"]
  ? DefaultSchema["Tables"][DefaultSchemaTableNameOrOptions] extends {
      Insert: infer I
    }
    ? I
    : never
  : never

export type TablesUpdate<
  DefaultSchemaTableNameOrOptions extends
    | keyof DefaultSchema["Tables"]
    | { schema: keyof DatabaseWithoutInternals },
  TableName extends DefaultSchemaTableNameOrOptions extends {
    schema: keyof DatabaseWithoutInternals
  }
    ? keyof DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Tables"]
    : never = never
> = DefaultSchemaTableNameOrOptions extends { schema: keyof DatabaseWithoutInternals }
  ? DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Tables"][TableName] extends {
      Update: infer U
    }
    ? U
    : never
  : DefaultSchemaTableNameOrOptions extends keyof DefaultSchema["Tables"]
  ? DefaultSchema["Tables"][DefaultSchemaTableNameOrOptions] extends {
      Update: infer U
    }
    ? U
    : never
  : never

export type Enums<
  DefaultSchemaEnumNameOrOptions extends
    | keyof DefaultSchema["Enums"]
    | { schema: keyof DatabaseWithoutInternals },
  EnumName extends DefaultSchemaEnumNameOrOptions extends {
    schema: keyof DatabaseWithoutInternals
  }
    ? keyof DatabaseWithoutInternals[DefaultSchemaEnumNameOrOptions["schema"]]["Enums"]
    : never = never
> = DefaultSchemaEnumNameOrOptions extends { schema: keyof DatabaseWithoutInternals }
  ? DatabaseWithoutInternals[DefaultSchemaEnumNameOrOptions["schema"]]["Enums"][EnumName]
  : DefaultSchemaEnumNameOrOptions extends keyof DefaultSchema["Enums"]
  ? DefaultSchema["Enums"][DefaultSchemaEnumNameOrOptions]
  : never

export type CompositeTypes<
  PublicCompositeTypeNameOrOptions extends
    | keyof DefaultSchema["CompositeTypes"]
    | { schema: keyof DatabaseWithoutInternals },
  CompositeTypeName extends PublicCompositeTypeNameOrOptions extends {
    schema: keyof DatabaseWithoutInternals
  }
    ? keyof DatabaseWithoutInternals[PublicCompositeTypeNameOrOptions["schema"]]["CompositeTypes"]
    : never = never
> = PublicCompositeTypeNameOrOptions extends { schema: keyof DatabaseWithoutInternals }
  ? DatabaseWithoutInternals[PublicCompositeTypeNameOrOptions["schema"]]["CompositeTypes"][CompositeTypeName]
  : PublicCompositeTypeNameOrOptions extends keyof DefaultSchema["CompositeTypes"]
  ? DefaultSchema["CompositeTypes"][PublicCompositeTypeNameOrOptions]
  : never

export const Constants = {
  "public": {
          Enums: {
            "generation_status": ["queued", "submitting", "unknown", "processing", "persisting", "completed", "failed", "canceled"]
          }
        }
} as const
